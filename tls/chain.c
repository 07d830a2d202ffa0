#include "tls/chain.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

static bool is_root(X509 *x)
{
    return (X509_get_extension_flags(x) & EXFLAG_SS) != 0;
}

static bool is_current(const X509 *x)
{
    return X509_cmp_current_time(X509_get0_notBefore(x)) < 0 &&
           X509_cmp_current_time(X509_get0_notAfter(x)) > 0;
}

/* Whether `a` is the better of two that would both do. */
static bool is_better(const X509 *a, const X509 *b)
{
    if (b == NULL || is_current(a) != is_current(b))
        return b == NULL || is_current(a);
    return ASN1_TIME_compare(X509_get0_notBefore(a), X509_get0_notBefore(b)) > 0;
}

X509 *chain_find_leaf(const STACK_OF(X509) * loaded, EVP_PKEY *key)
{
    X509 *leaf = NULL;

    for (int i = 0; i < sk_X509_num(loaded); i++) {
        X509 *x = sk_X509_value(loaded, i);

        if (X509_check_private_key(x, key) == 1 && is_better(x, leaf))
            leaf = x;
    }
    ERR_clear_error();
    return leaf;
}

static bool has_issued(X509 *issuer, X509 *x)
{
    return X509_check_issued(issuer, x) == X509_V_OK &&
           X509_verify(x, X509_get0_pubkey(issuer)) == 1;
}

static bool contains(const STACK_OF(X509) * list, const X509 *x)
{
    for (int i = 0; i < sk_X509_num(list); i++)
        if (X509_cmp(sk_X509_value(list, i), x) == 0)
            return true;
    return false;
}

/* A root may exist a second time, signed by an older one. That one is sent for
 * the sake of old clients, and new ones find their way without. */
static X509 *find_issuer(const STACK_OF(X509) * loaded, X509 *leaf, const STACK_OF(X509) * chain,
                         X509 *of)
{
    X509 *found = NULL;

    for (int i = 0; i < sk_X509_num(loaded); i++) {
        X509 *x = sk_X509_value(loaded, i);

        if (X509_cmp(x, leaf) == 0 || contains(chain, x) || !has_issued(x, of))
            continue;
        if (found == NULL || (is_root(found) && !is_root(x)) ||
            (is_root(found) == is_root(x) && is_better(x, found)))
            found = x;
    }
    ERR_clear_error();
    return found;
}

int chain_build(const STACK_OF(X509) * loaded, X509 *leaf, STACK_OF(X509) * chain)
{
    X509 *x = leaf;

    while (!is_root(x)) {
        x = find_issuer(loaded, leaf, chain, x);
        if (x == NULL || is_root(x))
            break;
        if (sk_X509_push(chain, x) == 0)
            return -1;
    }
    return 0;
}

/* Whether a root of `loaded`, or of the machine's, has signed `x`. */
static bool reaches_root(const STACK_OF(X509) * loaded, X509_STORE *store, X509 *x)
{
    X509_STORE_CTX *search = X509_STORE_CTX_new();
    X509 *issuer = NULL;
    bool is_reached = is_root(x);

    for (int i = 0; !is_reached && i < sk_X509_num(loaded); i++)
        is_reached = is_root(sk_X509_value(loaded, i)) && has_issued(sk_X509_value(loaded, i), x);
    if (!is_reached && search != NULL && X509_STORE_CTX_init(search, store, x, NULL) == 1 &&
        X509_STORE_CTX_get1_issuer(&issuer, search, x) == 1)
        is_reached = is_root(issuer);
    X509_free(issuer);
    X509_STORE_CTX_free(search);
    return is_reached;
}

X509 *chain_find_gap(const STACK_OF(X509) * loaded, X509 *leaf, const STACK_OF(X509) * chain)
{
    X509_STORE *store = X509_STORE_new();
    X509 *top = leaf;
    bool is_reached;

    if (store != NULL)
        (void)X509_STORE_set_default_paths(store);
    is_reached = reaches_root(loaded, store, leaf);
    for (int i = 0; !is_reached && i < sk_X509_num(chain); i++) {
        top = sk_X509_value(chain, i);
        is_reached = reaches_root(loaded, store, top);
    }
    X509_STORE_free(store);
    ERR_clear_error();
    return is_reached ? NULL : top;
}

bool chain_uses(X509 *leaf, const STACK_OF(X509) * chain, X509 *x)
{
    bool is_used = X509_cmp(leaf, x) == 0 || contains(chain, x);

    if (!is_used && is_root(x)) {
        is_used = has_issued(x, leaf);
        for (int i = 0; !is_used && i < sk_X509_num(chain); i++)
            is_used = has_issued(x, sk_X509_value(chain, i));
    }
    ERR_clear_error();
    return is_used;
}

static int print(BIO *out, const X509_NAME *name)
{
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);

    if (at < 0)
        return X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253);
    if (BIO_puts(out, "CN=") <= 0)
        return -1;
    return ASN1_STRING_print_ex(out, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)),
                                ASN1_STRFLGS_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
}

const char *chain_print_name(const X509_NAME *name, char out[CHAIN_NAME_BYTES])
{
    BIO *text = BIO_new(BIO_s_mem());
    int n = 0;

    if (text != NULL && print(text, name) >= 0)
        n = BIO_read(text, out, CHAIN_NAME_BYTES - 1);
    out[n > 0 ? n : 0] = '\0';
    if (n == CHAIN_NAME_BYTES - 1)
        memcpy(out + n - 3, "...", 3);
    if (n <= 0)
        memcpy(out, "(no name)", sizeof("(no name)"));
    BIO_free(text);
    ERR_clear_error();
    return out;
}
