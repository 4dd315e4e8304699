// Patterns of HTTP header fields that more than one folder reads.

/** The beginning of `Authorization: Bearer`, to its token if there is one (RFC 6750 §2.1). The case of the scheme is ignored. */
export const BEARER = /^Bearer(?: +|$)/i

/** `Content-Type` of JSON in UTF-8. */
export const JSON_TYPE = /^application\/json(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?[ \t]*;?$/i

/** `Content-Type` of an HTML form without files. */
export const FORM_TYPE = /^application\/x-www-form-urlencoded(?: *;.*)?$/i
