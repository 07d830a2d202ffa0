/* config_xml.h - what the config.xml of OpenMeetings 1.9 to 3.3 says.
 *
 *    <config> <rtmpsslport>8443</rtmpsslport> <!-- ... --> <useSSL>yes</useSSL> ... </config>
 *
 * The file is flat, and Flash looks each element up by its name. So does this: comments,
 * declarations and CDATA sections are passed over, elements may be nested. Pure
 * functions.
 */
#ifndef HTTP_CONFIG_XML_H
#define HTTP_CONFIG_XML_H

#include "http/span.h"

/* Whether `bytes` have the element <config> at all. */
bool config_xml_is(struct span bytes);

/* The text of the first element `name`, without white space around it; false where there is
 * none, or it does not end. An empty element is there, and its text is empty. */
bool config_xml_find(struct span bytes, struct span name, struct span *value);

#endif
