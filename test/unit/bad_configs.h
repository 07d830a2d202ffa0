/* bad_configs.h - files with faults, and every line they are answered with.
 *
 * For test_config.c alone. CERTIFICATE is three good lines, LISTENER seven, so
 * what follows LISTENER stands in [listener a] from line 8 on.
 */
#define AT(line, text)        "proxy.ini:" #line ": " text "\n"
#define AT_A(line, key, text) AT(line, "[listener a] " key ": " text)

static const struct {
    const char *name, *text, *complaints;
} bad_configs[] = {
    /* lines */
    { "an empty file has listeners, and no certificate", "",
      "proxy.ini: has no [certificate main]; write one with chain and key, or write listeners "
      "that use others\n" },
    { "a key before the first section", "workers = 1\n" LISTENER,
      AT(1, "stands before the first section") },
    { "neither key nor section", LISTENER "max_dials\n",
      AT(8, "is neither a section, a comment nor of the form key = value") },
    { "a colon", LISTENER "max_dials: 3\n",
      AT(8, "is neither a section, a comment nor of the form key = value") },
    { "a carriage return inside", LISTENER "max_dials = 3\r4\n",
      AT(8, "the line has a NUL or carriage return; save the file with plain line ends") },

    /* sections */
    { "an unknown section", LISTENER "[http]\na = b\n",
      AT(8, "[http] is no section; write [proxy], [certificate NAME] or [listener NAME]") },
    { "a section without its name", LISTENER "[listener]\n",
      AT(8, "[listener] is no section; write [proxy], [certificate NAME] or [listener NAME]") },
    { "a section with two names", LISTENER "[listener b c]\n",
      AT(8, "[listener b c] is no section; write [proxy], [certificate NAME] or [listener NAME]") },
    { "a name where none belongs", LISTENER "[proxy a]\n",
      AT(8, "[proxy a] is no section; write [proxy], [certificate NAME] or [listener NAME]") },
    { "a kind that goes on", LISTENER "[listeners a]\n",
      AT(8, "[listeners a] is no section; write [proxy], [certificate NAME] or [listener NAME]") },
    { "a bracket missing", LISTENER "[proxy\nworkers = 1\n",
      AT(8, "a section needs a closing bracket") },
    { "text behind a section", LISTENER "[proxy] workers = 1\n",
      AT(8, "[proxy] \"workers = 1\" behind the section is not read") },
    { "a section name too long",
      LISTENER "[certificate 12345678901234567890123456789012345678]\nchain = c\n",
      AT(8, "the section name is too long: 50 characters, at most 49 are read") },
    { "a section twice", LISTENER "[proxy]\n[listener a]\n",
      AT(9, "[listener a] was begun before, at line 4") },
    { "[proxy] twice", "[proxy]\n" LISTENER "[proxy]\nworkers = 2\n",
      AT(9, "[proxy] was begun before, at line 1") },

    /* keys */
    { "an unknown key", LISTENER "timeout = 3s\n",
      AT(8, "[listener a] \"timeout\" is no key of [listener]") },
    { "a key of another section", LISTENER "workers = 3\n",
      AT(8, "[listener a] \"workers\" is no key of [listener]") },
    { "a key in capitals", LISTENER "Max_Dials = 3\n",
      AT(8, "[listener a] \"Max_Dials\" is no key of [listener]") },
    { "a key twice", LISTENER "max_dials = 3\nmax_dials = 4\n",
      AT_A(9, "max_dials", "was given before, at line 8") },
    { "no value", LISTENER "max_dials =\n", AT_A(8, "max_dials", "has no value") },
    { "no value but a comment", LISTENER "max_dials = ; 3\n",
      AT_A(8, "max_dials", "has no value") },
    { "no words", LISTENER "protocols =\n", AT_A(8, "protocols", "has no value") },
    { "an indented line behind one value", LISTENER "max_dials = 3\n  4\n",
      AT_A(9, "max_dials", "has one value; an indented line cannot go on with it") },

    /* values */
    { "no number", LISTENER "max_dials = many\n", AT_A(8, "max_dials", "\"many\" is no number") },
    { "a number and more", LISTENER "max_dials = 3x\n",
      AT_A(8, "max_dials", "\"3x\" is no number") },
    { "a sign", LISTENER "max_dials = -1\n", AT_A(8, "max_dials", "\"-1\" is no number") },
    { "a fraction", LISTENER "max_dials = 1.5\n", AT_A(8, "max_dials", "\"1.5\" is no number") },
    { "a number too small", LISTENER "max_dials = 0\n",
      AT_A(8, "max_dials", "0 is out of range (1 to 65535)") },
    { "a number too large", LISTENER "max_dials = 65536\n",
      AT_A(8, "max_dials", "65536 is out of range (1 to 65535)") },
    { "a number far too large", LISTENER "max_dials = 99999999999999999999999\n",
      AT_A(8, "max_dials", "99999999999999999999999 is out of range (1 to 65535)") },
    { "auto where it means nothing", LISTENER "max_dials = auto\n",
      AT_A(8, "max_dials", "\"auto\" is no number") },
    { "a time without a unit", LISTENER "connect_timeout = 3\n",
      AT_A(8, "connect_timeout", "\"3\" is no time; write a number and ms, s, m or h, as 90s") },
    { "a time of an unknown unit", LISTENER "connect_timeout = 3d\n",
      AT_A(8, "connect_timeout", "\"3d\" is no time; write a number and ms, s, m or h, as 90s") },
    { "a time with a space", LISTENER "connect_timeout = 3 s\n",
      AT_A(8, "connect_timeout", "\"3 s\" is no time; write a number and ms, s, m or h, as 90s") },
    { "a unit alone", LISTENER "connect_timeout = s\n",
      AT_A(8, "connect_timeout", "\"s\" is no time; write a number and ms, s, m or h, as 90s") },
    { "a time too short", LISTENER "connect_timeout = 99ms\n",
      AT_A(8, "connect_timeout", "99ms is out of range (100ms to 3600s)") },
    { "a time too long", LISTENER "connect_timeout = 61m\n",
      AT_A(8, "connect_timeout", "61m is out of range (100ms to 3600s)") },
    { "a time that overflows to an hour", LISTENER "connect_timeout = 144115188075855873h\n",
      AT_A(8, "connect_timeout", "144115188075855873h is out of range (100ms to 3600s)") },
    { "no choice", LISTENER "[proxy]\nlog_level = all\n",
      AT(9, "[proxy] log_level: \"all\" is not one of error, warn, info, debug") },
    { "no flag",
      CERTIFICATE "[listener a]\nlisten = *:1\ncertificates = main\nprotocols = tunnel\n"
                  "tunnel_backend = 127.0.0.1:2\ntickets = yes\n",
      AT_A(9, "tickets", "\"yes\" is neither on nor off") },

    /* what no single line can know */
    { "a certificate without files", LISTENER "[certificate b]\n",
      AT(8, "[certificate b] chain: is missing; name a PEM file, or set keystore")
          AT(8, "[certificate b] key: is missing; name a PEM file, or set keystore") },
    { "a keystore and more",
      LISTENER "[certificate b]\nkeystore = s\nchain = c\nkey_password_file = p\n",
      AT(10, "[certificate b] chain: does nothing beside keystore; leave one of the two out")
          AT(11, "[certificate b] key_password_file: does nothing beside keystore; leave one of "
                 "the two out") },
    { "what belongs to a keystore alone",
      LISTENER "[certificate b]\nchain = c\nkey = k\nkeystore_alias = a\n"
               "keystore_password_file = p\n",
      AT(12, "[certificate b] keystore_password_file: does nothing without keystore")
          AT(11, "[certificate b] keystore_alias: does nothing without keystore") },
    { "a file that looks like a URI", LISTENER "[certificate b]\nkeystore = pkcs11:object=b\n",
      AT(9, "[certificate b] keystore: \"pkcs11:object=b\" looks like a URI and must be a file; "
            "write an absolute path") },
    { "a certificate nobody uses", LISTENER "[certificate b]\nchain = c\nkey = k\n",
      AT(8, "warning: [certificate b] no listener uses this certificate") },
    { "a listener without keys", CERTIFICATE "[listener a]\n",
      AT_A(4, "listen", "is missing; write *:PORT")
          AT_A(4, "certificates", "is missing; name at least one [certificate] section")
              AT(4, "[listener a] has no backend; set http_backend, rtmp_backend or both") },
    { "an unknown certificate",
      LISTENER "[listener b]\nlisten = *:3\ncertificates = main x\n"
               "http_backend = 127.0.0.1:2\n",
      AT(10, "[listener b] certificates: there is no section [certificate x]") },
    { "a certificate twice",
      LISTENER "[listener b]\nlisten = *:3\ncertificates = main main\n"
               "http_backend = 127.0.0.1:2\n",
      AT(10, "[listener b] certificates: \"main\" stands there twice") },
    { "an unknown protocol", LISTENER "protocols = http ftp\n",
      AT_A(8, "protocols", "\"ftp\" is no protocol; write http, rtmp, both, or tunnel") },
    { "a protocol without a backend", LISTENER "protocols = http rtmp\n",
      AT_A(8, "rtmp_backend", "is missing, but protocols has rtmp") },
    { "a tunnel beside others", LISTENER "protocols = http tunnel\ntunnel_backend = 127.0.0.1:3\n",
      AT_A(8, "protocols",
           "tunnel stands alone: it passes any bytes and cannot tell protocols apart") },
    { "a tunnel not said in words",
      CERTIFICATE "[listener a]\nlisten = *:1\ncertificates = main\n"
                  "tunnel_backend = 127.0.0.1:2\n",
      AT(4, "[listener a] has a tunnel_backend; write protocols = tunnel as well") },
    { "keys that do nothing with redirect",
      "[listener a]\nlisten = *:1\nredirect = https://b\nhttp_backend = 127.0.0.1:2\n"
      "idle_timeout = 5m\n",
      AT_A(4, "http_backend",
           "does nothing on a listener with redirect: it speaks plain HTTP and has no backend")
          AT_A(5, "idle_timeout",
               "does nothing on a listener with redirect: it speaks plain HTTP and has no "
               "backend") },
    { "a redirect to nowhere", "[listener a]\nlisten = *:1\nredirect = http://b\n",
      AT_A(3, "redirect", "\"http://b\" is not of the form https://HOST or https://HOST:PORT") },
    { "trust without use", LISTENER "trusted_proxies = 10.0.0.0/8\n",
      AT_A(8, "trusted_proxies", "does nothing without forwarded = append") },
    { "no trust", LISTENER "forwarded = append\n",
      AT_A(8, "forwarded",
           "append needs trusted_proxies: a field that anybody can send proves nothing") },
    { "networks that are none",
      LISTENER "forwarded = append\ntrusted_proxies = 10.0.0.1/8 ::/129 here 1.2.3.4/\n",
      AT_A(9, "trusted_proxies", "\"10.0.0.1/8\" has bits behind its prefix")
          AT_A(9, "trusted_proxies", "\"::/129\": the prefix is 0 to 128 bits long")
              AT_A(9, "trusted_proxies",
                   "\"here\" is no address; write 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32")
                  AT_A(9, "trusted_proxies", "\"1.2.3.4/\": the prefix is 0 to 32 bits long") },
    { "hsts of another kind", LISTENER "hsts = on\n",
      AT_A(8, "hsts", "\"on\" is neither pass nor strip nor begins with max-age=") },
    { "an override without a file", LISTENER "override = /a\n",
      AT_A(8, "override",
           "has a PATH without a FILE; write pairs, as /openmeetings/config.xml config.xml") },
    { "overrides of no path", LISTENER "override = a b /c?d e /f g\n    /f h\n",
      AT_A(8, "override", "\"a\" is no PATH: it begins with / and has neither ? nor #")
          AT_A(8, "override", "\"/c?d\" is no PATH: it begins with / and has neither ? nor #")
              AT_A(8, "override", "\"/f\" stands there twice") },
    { "sizes that are none", LISTENER "max_header_bytes = 8kb\nmax_body_bytes = 1t\n",
      AT_A(8, "max_header_bytes",
           "\"8kb\" is no size; write a number of bytes, or one and k, m or g")
          AT_A(9, "max_body_bytes",
               "\"1t\" is no size; write a number of bytes, or one and k, m or g") },
    { "sizes out of range", LISTENER "max_header_bytes = 65k\nmax_body_bytes = 1\n",
      AT_A(8, "max_header_bytes", "65k is out of range (1024 to 65536 bytes)")
          AT_A(9, "max_body_bytes", "1 is out of range (1024 to 1099511627776 bytes)") },
    { "keys that do nothing without a tunnel", LISTENER "tickets = on\n",
      AT_A(8, "tickets", "does nothing on a listener without protocols = tunnel") },
    { "keys that do nothing without HTTP",
      CERTIFICATE "[listener a]\nlisten = *:1\ncertificates = main\n"
                  "rtmp_backend = 127.0.0.1:2\nresponse_timeout = 1m\n",
      AT_A(8, "response_timeout", "does nothing on a listener without HTTP") },
    { "keys that do nothing in a tunnel",
      CERTIFICATE "[listener a]\nlisten = *:1\ncertificates = main\nprotocols = tunnel\n"
                  "tunnel_backend = 127.0.0.1:2\nhttp_backend = 127.0.0.1:2\n"
                  "first_byte_timeout = 1s\n",
      AT_A(9, "http_backend", "does nothing on a listener without HTTP")
          AT_A(10, "first_byte_timeout", "does nothing on a listener without RTMP") },
    { "an idle timeout under Red5's own",
      LISTENER "rtmp_backend = 127.0.0.1:3\nidle_timeout = 64s\n",
      AT_A(9, "idle_timeout",
           "is under 65s, and Red5 itself drops a silent client only after 60 s") },
    { "a bad address",
      LISTENER "[listener b]\nlisten = *:3 x:1 *:70000\ncertificates = main\n"
               "http_backend = 127.0.0.1:2\n",
      AT(9, "[listener b] listen: \"x:1\" is no address; write *:PORT, 192.0.2.1:PORT or "
            "[2001:db8::1]:PORT")
          AT(9, "[listener b] listen: port 70000 is out of range (0 to 65535)") },
    { "a bad backend", LISTENER "rtmp_backend = 127.0.0.1\n",
      AT_A(8, "rtmp_backend", "\"127.0.0.1\" is not of the form HOST:PORT") },
    { "too many addresses",
      LISTENER "[listener b]\nlisten = *:10 *:11 *:12 *:13 *:14 *:15 *:16 *:17 *:18\n"
               "certificates = main\nhttp_backend = 127.0.0.1:2\n",
      AT(9, "[listener b] listen: has too many addresses, over 16") },
    { "an address twice",
      LISTENER "[listener b]\nlisten = 127.0.0.1:3 127.0.0.1:3\n"
               "certificates = main\nhttp_backend = 127.0.0.1:2\n",
      AT(9, "[listener b] listen: 127.0.0.1:3 overlaps with 127.0.0.1:3 of [listener b]") },
    { "an address of another listener",
      LISTENER "[listener b]\nlisten = 127.0.0.1:1\n"
               "certificates = main\nhttp_backend = 127.0.0.1:2\n",
      AT(9, "[listener b] listen: 127.0.0.1:1 overlaps with 127.0.0.1:1 of [listener a]") },
    { "a wildcard over another listener",
      LISTENER "[listener b]\nlisten = *:1\n"
               "certificates = main\nhttp_backend = 127.0.0.1:2\n",
      AT(9, "[listener b] listen: 0.0.0.0:1 overlaps with 127.0.0.1:1 of [listener a]") },
    { "a backend that is the proxy itself", LISTENER "rtmp_backend = 127.0.0.1:1\n",
      AT_A(8, "rtmp_backend", "is the proxy itself: [listener a] listens there") },
    { "a backend behind the proxy's wildcard",
      CERTIFICATE "[listener a]\nlisten = *:1\ncertificates = main\n"
                  "http_backend = 127.0.0.1:1\n",
      AT_A(7, "http_backend", "is the proxy itself: [listener a] listens there") },

    /* all in one run */
    { "every fault of a file", "[proxy]\nworkers = 0\nspeed = 9\n[listener a]\nlisten = x\n",
      AT(3, "[proxy] \"speed\" is no key of [proxy]")
          AT(2, "[proxy] workers: 0 is out of range (1 to 64)")
              AT_A(5, "listen", "\"x\" is not of the form HOST:PORT")
                  AT_A(4, "certificates", "is missing; name at least one [certificate] section") AT(
                      4, "[listener a] has no backend; set http_backend, rtmp_backend or both") },
};
