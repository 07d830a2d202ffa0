"""openmeetings.py - the files of an OpenMeetings on Red5 that matter for a proxy, laid out as each version lays out its
own: names, keys, order, defaults, what is commented out, and line ends. The texts are ours."""

import collections
import xml.etree.ElementTree

Layout = collections.namedtuple("Layout", "config keys red5 jars line_end container")

# What config.xml holds, in this order; a value of None stands for a key that is commented out beside the real one.
OLD_KEYS = [("rtmphostlocal", ""), ("rtmpport", "1935"), ("rtmpTunnelport", "8088"), ("rtmpsslport", "443"), ("useSSL", "no"),
            ("red5httpport", "5080"), ("protocol", "http"), ("proxyType", "none"), ("webAppRootKey", "openmeetings"),
            ("httpRootKey", "/openmeetings/"), ("showRecording", "hidden")]
MIDDLE_KEYS = [("rtmphostlocal", ""), ("httphostlocal", ""), ("rtmpport", "1935"), ("rtmpTunnelport", "5080"),
               *OLD_KEYS[3:]]
NEW_KEYS = [("rtmphostlocal", ""), ("httphostlocal", ""), ("rtmpport", "1935"), ("rtmpsslport", "8443"), *OLD_KEYS[4:-1],
            ("codecType", "h263")]

LAYOUTS = {
    "1.9.1": Layout("config.xml", OLD_KEYS, "red5.jar", ["openmeetings-1.9.1-incubating.jar"], "\r\n", "2009"),
    "2.0.0": Layout("config.xml", OLD_KEYS, "red5.jar", ["openmeetings-2.0.0-incubating.jar",
                                                         "openmeetings-templates-2.0.0-incubating.jar"], "\n", "2009"),
    "2.1.0": Layout("config.xml", MIDDLE_KEYS, "red5.jar", ["openmeetings-2.1.0-RELEASE.jar"], "\n", "2009"),
    "2.2.0": Layout("config.xml", MIDDLE_KEYS, "red5.jar", ["openmeetings-2.2.0-RELEASE.jar"], "\n", "2009"),
    "3.0.4": Layout("public/config.xml", NEW_KEYS, "lib/red5-server-common-1.0.3-RELEASE.jar",
                    ["openmeetings-web-3.0.4-RELEASE.jar", "openmeetings-db-3.0.4-RELEASE.jar"], "\r\n", "2014"),
    "3.0.7": Layout("public/config.xml", NEW_KEYS, "lib/red5-server-common-1.0.6-RELEASE.jar",
                    ["openmeetings-core-3.0.7-RELEASE.jar", "openmeetings-web-3.0.7-RELEASE.jar"], "\r\n", "2014"),
    "3.1.2": Layout("public/config.xml", NEW_KEYS, "lib/red5-server-common-1.0.8-M6.jar",
                    ["openmeetings-core-3.1.2.jar", "openmeetings-util-3.1.2.jar"], "\r\n", "2014"),
    "3.1.4": Layout("public/config.xml", NEW_KEYS, "lib/red5-server-common-1.0.8-RELEASE.jar",
                    ["openmeetings-core-3.1.4.jar", "openmeetings-util-3.1.4.jar"], "\r\n", "2014"),
    "3.3.2": Layout("public/config.xml", NEW_KEYS, "lib/red5-server-common-1.0.10-M4.jar",
                    ["openmeetings-core-3.3.2.jar", "openmeetings-util-3.3.2.jar"], "\n", "2014"),
    "4.0.11": Layout(None, [], "lib/red5-server-common-1.1.1.jar",
                     ["openmeetings-core-4.0.11.jar", "openmeetings-util-4.0.11.jar"], "\n", "2014"),
}
RED5 = Layout(None, [], "lib/red5-server-common-1.1.1.jar", [], "\n", "2014")

# What each version wants of config.xml, and what it wants of red5.properties.
WANTED = {"useSSL": "yes", "rtmpsslport": "8443", "proxyType": "best", "protocol": "https", "red5httpport": "5443"}
HOSTS = {"rtmp.host": "127.0.0.1", "http.host": "127.0.0.1", "rtmpt.host": "127.0.0.1"}


def config_xml(keys):
    """Each key with a comment above it that names it too, and one with another value commented out."""
    lines = ['<?xml version="1.0" encoding="UTF-8" ?>', "<!--", "  A licence stood here.", "-->", "<config ",
             '    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ', '    xsi:noNamespaceSchemaLocation="config.xsd">',
             ""]
    for key, value in keys:
        lines += ["<!-- ", f"\tof {key}: for example", f"\t<{key}>otherwise</{key}>", " -->", f"<{key}>{value}</{key}>  ", ""]
    lines += ["<availableCameraResolutions>", '\t<resolution type="4:3 (~6 KByte/sec)" width="40" height="30" />',
              "</availableCameraResolutions>", "    ", "</config>", ""]
    return "\n".join(lines)


def red5_properties(version):
    is_old = version and version < "3"
    lines = ["# Socket policy", "policy.host=0.0.0.0", "policy.port=843", "", "# HTTP", "http.host=0.0.0.0",
             "http.port=5080", f"https.port={'8443' if is_old else '5443'}", "http.URIEncoding=UTF-8", "", "# RTMP",
             "rtmp.host=0.0.0.0", "rtmp.port=1935", "rtmp.ping_interval=1000", "# no limit: -1", "rtmp.traffic_class=-1",
             "", "# RTMPS", "rtmps.host=0.0.0.0", "rtmps.port=8443", "# RTMPS Keystore Password",
             "rtmps.keystorepass=password"]
    if not is_old:
        lines += ["rtmps.keystorefile=conf/keystore.jks", "rtmps.truststorepass=password"]
    lines += ["", "# RTMPT", "rtmpt.host=0.0.0.0", "rtmpt.port=8088", "#rtmpt.target_reponse_size=8192", "", "# JMX",
              "jmx.rmi.host=localhost", "jmx.rmi.port=9999", ""]
    return "\n".join(lines)


RTMPS_BEANS = """\
    <bean id="rtmpsMinaIoHandler" class="org.red5.server.net.rtmps.RTMPSMinaIoHandler">
        <property name="keystorePassword" value="${rtmps.keystorepass}" />
    </bean>
    <bean id="rtmpsTransport" class="org.red5.server.net.rtmp.RTMPMinaTransport">
        <property name="addresses"><list><value>${rtmps.host}:${rtmps.port}</value></list></property>
    </bean>
"""


def red5_core(has_rtmps=False):
    """RTMPS commented out, as it comes."""
    return f"""\
<?xml version="1.0" encoding="UTF-8"?>
<beans xmlns="http://www.springframework.org/schema/beans">
    <bean id="rtmpTransport" class="org.red5.server.net.rtmp.RTMPMinaTransport" init-method="start">
        <property name="addresses"><list><value>${{rtmp.host}}:${{rtmp.port}}</value></list></property>
    </bean>
    <!-- RTMPS -->
{'' if has_rtmps else '<!--'}
{RTMPS_BEANS}{'' if has_rtmps else '-->'}
</beans>
"""


HTTPS_CONNECTOR = """\
                <bean name="httpsConnector" class="org.red5.server.tomcat.TomcatConnector">
                    <property name="secure" value="true" />
                    <property name="connectionProperties">
                        <map><entry key="port" value="${https.port}" /><entry key="SSLEnabled" value="true" /></map>
                    </property>
                </bean>
"""


def jee_container(style, has_https=False, is_secure=False):
    """Of 2009, with a Tomcat of its own for RTMPT and another for RTMPS commented out; or of 2014."""
    secure = '                    <property name="secure" value="true" />\n' if is_secure else ""
    rtmpt = """\
    <bean id="rtmpt.server" class="org.red5.server.tomcat.rtmpt.RTMPTLoader" init-method="init" lazy-init="true">
        <property name="port" value="${rtmpt.port}" />
    </bean>
<!--
    <bean id="rtmps.server" class="org.red5.server.tomcat.rtmps.RTMPSLoader">
        <property name="connectionProperties"><map><entry><key><value>SSLEnabled</value></key></entry></map></property>
    </bean>
-->
""" if style == "2009" else ""
    return f"""\
<?xml version="1.0" encoding="UTF-8"?>
<beans xmlns="http://www.springframework.org/schema/beans">
    <!-- Tomcat without SSL enabled -->
    <bean id="tomcat.server" class="org.red5.server.tomcat.TomcatLoader" depends-on="context.loader" lazy-init="true">
        <property name="connectors">
            <list>
                <bean name="httpConnector" class="org.red5.server.tomcat.TomcatConnector">
                    <property name="address" value="${{http.host}}:${{http.port}}" />
{secure}                </bean>
{HTTPS_CONNECTOR if has_https else ''}            </list>
        </property>
    </bean>
{rtmpt}    <!-- Tomcat with SSL enabled -->
<!--
{HTTPS_CONNECTOR}-->
</beans>
"""


def lay_out(directory, version=None):
    """A folder red5 in `directory`; version None: a Red5 alone."""
    layout = LAYOUTS[version] if version else RED5
    red5 = directory / "red5"
    files = {
        "conf/red5.properties": red5_properties(version).replace("\n", layout.line_end),
        "conf/red5-core.xml": red5_core(), "conf/jee-container.xml": jee_container(layout.container), layout.red5: "",
        "webapps/root/WEB-INF/web.xml": "<web-app/>\n", "webapps/live/WEB-INF/red5-web.xml": "<beans/>\n",
    }
    if version:
        files.update({f"webapps/openmeetings/WEB-INF/lib/{jar}": "" for jar in layout.jars})
        files["webapps/openmeetings/WEB-INF/lib/wicket-core-6.20.0.jar"] = ""
        files["conf/keystore.screen"] = "anything"
        files["CHANGELOG"] = f"Release Notes - Openmeetings - Version {version}\n"
    if layout.config:
        files[f"webapps/openmeetings/{layout.config}"] = config_xml(layout.keys).replace("\n", layout.line_end)
    if "3.0.5" <= (version or "") < "3.1.3":
        files["conf/red5.properties"] += f"rtmps.screen.keystorepass=screenpassword{layout.line_end}"
    for name, text in files.items():
        (red5 / name).parent.mkdir(parents=True, exist_ok=True)
        (red5 / name).write_bytes(text.encode("latin-1"))
    return red5


def config_of(red5, version):
    return red5 / "webapps/openmeetings" / LAYOUTS[version].config


def contents(red5):
    """{path: (bytes, mode, time of change)} of every file in there."""
    return {path.relative_to(red5): (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns)
            for path in red5.rglob("*") if path.is_file()}


def properties_of(red5):
    lines = (red5 / "conf/red5.properties").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def elements_of(path):
    """A config.xml by another reader of XML than the script's."""
    return {child.tag: child.text for child in xml.etree.ElementTree.parse(path).getroot()}
