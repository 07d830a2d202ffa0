/* staple.c - OCSP responses are looked at as a strict client would (RFC 6960, 3.2).
 *
 * A response that is over, or says "revoked", harms more than none: clients end
 * the handshake. But it must not keep the server from starting either, as
 * responses are renewed by other programs, and a new certificate comes before
 * its response.
 */
#include "tls/staple.h"

#include "tls/errors.h"
#include "tls/file.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLOCK_SKEW_S = 300, TIME_BYTES = 32 };

static const char option[] = "ocsp";
static const char fetch[] = "scripts/fetch-ocsp gets a new one";

static __attribute__((format(printf, 2, 3))) int warn(const struct tls_report *report,
                                                      const char *format, ...)
{
    struct error sentence;
    va_list args;

    va_start(args, format);
    (void)vsnprintf(sentence.text, sizeof(sentence.text), format, args);
    va_end(args);
    report->say(report->user, TLS_WARNING, option, sentence.text);
    ERR_clear_error();
    return 0;
}

static const char *print_time(const ASN1_GENERALIZEDTIME *at, char out[TIME_BYTES])
{
    struct tm tm;

    if (at == NULL || ASN1_TIME_to_tm(at, &tm) != 1 ||
        strftime(out, TIME_BYTES, "%Y-%m-%d %H:%M UTC", &tm) == 0)
        return "an unknown time";
    return out;
}

static X509 *find_issuer(const struct tls_certificate *c)
{
    for (int i = 0; i < sk_X509_num(c->loaded); i++)
        if (X509_check_issued(sk_X509_value(c->loaded, i), c->leaf) == X509_V_OK)
            return sk_X509_value(c->loaded, i);
    return NULL;
}

/* Whether `single` is about the certificate; responders choose the digest. */
static bool is_about(const OCSP_SINGLERESP *single, const X509 *leaf, const X509 *issuer)
{
    const OCSP_CERTID *id = OCSP_SINGLERESP_get0_id(single);
    ASN1_OBJECT *digest = NULL;
    const EVP_MD *md;
    OCSP_CERTID *own;
    bool is_same;

    (void)OCSP_id_get0_info(NULL, &digest, NULL, NULL, (OCSP_CERTID *)id);
    md = digest != NULL ? EVP_get_digestbyobj(digest) : NULL;
    own = md != NULL ? OCSP_cert_to_id(md, leaf, issuer) : NULL;
    is_same = own != NULL && OCSP_id_cmp(own, id) == 0;
    OCSP_CERTID_free(own);
    return is_same;
}

static OCSP_SINGLERESP *find_single(OCSP_BASICRESP *basic, const X509 *leaf, const X509 *issuer)
{
    for (int i = 0; i < OCSP_resp_count(basic); i++)
        if (is_about(OCSP_resp_get0(basic, i), leaf, issuer))
            return OCSP_resp_get0(basic, i);
    return NULL;
}

/* By the issuer itself, or by whom it gave the right to (RFC 6960, 4.2.2.2). */
static bool is_signed(OCSP_BASICRESP *basic, const struct tls_certificate *c, X509 *issuer)
{
    X509_STORE *store = X509_STORE_new();
    bool is_good = false;

    if (store != NULL && X509_STORE_add_cert(store, issuer) == 1 &&
        X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1)
        is_good = OCSP_basic_verify(basic, c->loaded, store, 0) == 1;
    X509_STORE_free(store);
    return is_good;
}

/* 1: it may be sent, until *until. 0: it was warned of. */
static int judge_status(OCSP_SINGLERESP *single, time_t *until, const struct tls_report *report)
{
    ASN1_GENERALIZEDTIME *revoked = NULL;
    ASN1_GENERALIZEDTIME *this_update = NULL;
    ASN1_GENERALIZEDTIME *next_update = NULL;
    char at[TIME_BYTES];
    struct tm tm;
    int reason;
    int status = OCSP_single_get0_status(single, &reason, &revoked, &this_update, &next_update);

    if (status == V_OCSP_CERTSTATUS_REVOKED)
        return warn(report, "the CA revoked the certificate at %s; get a new one",
                    print_time(revoked, at));
    if (status != V_OCSP_CERTSTATUS_GOOD)
        return warn(report, "the responder does not know the certificate; nothing is stapled");
    if (next_update == NULL || ASN1_TIME_to_tm(next_update, &tm) != 1)
        return warn(report, "the response does not say until when it holds; nothing is stapled");
    *until = timegm(&tm);
    if (*until <= time(NULL))
        return warn(report, "the response is over since %s; nothing is stapled; %s",
                    print_time(next_update, at), fetch);
    if (OCSP_check_validity(this_update, next_update, CLOCK_SKEW_S, -1) != 1)
        return warn(report, "the response holds from %s on only; nothing is stapled",
                    print_time(this_update, at));
    return 1;
}

/* 1: it may be sent. 0: it was warned of. -1: fault. */
static int judge(OCSP_RESPONSE *response, const struct tls_certificate *c, time_t *until,
                 const struct tls_report *report, struct error *err)
{
    int status = OCSP_response_status(response);
    X509 *issuer = find_issuer(c);
    OCSP_BASICRESP *basic;
    OCSP_SINGLERESP *single;
    int rc;

    if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL)
        return warn(report, "the responder's answer is \"%s\"; nothing is stapled; %s",
                    OCSP_response_status_str(status), fetch);
    if (issuer == NULL)
        return warn(report, "the certificate's issuer is not in the chain, so nobody can tell "
                            "whether the response is right; nothing is stapled");
    basic = OCSP_response_get1_basic(response);
    if (basic == NULL)
        return tls_error_set(err, "the response cannot be read");
    single = find_single(basic, c->leaf, issuer);
    if (single == NULL)
        rc = warn(report, "the response is about another certificate; nothing is stapled; %s",
                  fetch);
    else if (!is_signed(basic, c, issuer))
        rc = tls_error_set(err, "the response is not signed by the certificate's CA");
    else
        rc = judge_status(single, until, report);
    OCSP_BASICRESP_free(basic);
    return rc;
}

static int keep(struct tls_certificate *c, const struct file *file, time_t until, struct error *err)
{
    struct staple *staple = calloc(1, sizeof(*staple));

    if (staple == NULL || (staple->der = OPENSSL_memdup(file->bytes, file->size)) == NULL) {
        free(staple);
        return error_set(err, "memory has run out");
    }
    staple->size = file->size;
    staple->until = until;
    c->staple = staple;
    return 0;
}

int staple_load(struct tls_certificate *c, const char *path, const struct tls_report *report)
{
    struct file file = { .bytes = NULL };
    OCSP_RESPONSE *response = NULL;
    const unsigned char *p;
    time_t until = 0;
    struct error err;
    int rc = file_read(&file, path, &err);

    if (rc == 0) {
        p = file.bytes;
        ERR_clear_error();
        response = d2i_OCSP_RESPONSE(NULL, &p, (long)file.size);
        if (response == NULL || p != file.bytes + file.size)
            rc = error_set(&err, "%s is no OCSP response in DER", path);
    }
    if (rc == 0)
        rc = judge(response, c, &until, report, &err);
    if (rc == 1)
        rc = keep(c, &file, until, &err);
    if (rc < 0)
        report->say(report->user, TLS_FAULT, option, err.text);
    OCSP_RESPONSE_free(response);
    file_wipe(&file);
    ERR_clear_error();
    return rc;
}

void staple_free(struct staple *staple)
{
    if (staple == NULL)
        return;
    OPENSSL_free(staple->der);
    free(staple);
}

const struct staple *staple_current(const struct tls_certificate *c)
{
    return c->staple != NULL && time(NULL) < c->staple->until ? c->staple : NULL;
}

bool tls_certificate_lost_staple(struct tls_certificate *c)
{
    if (c->staple == NULL || c->staple->is_lost || staple_current(c) != NULL)
        return false;
    c->staple->is_lost = true;
    return true;
}
