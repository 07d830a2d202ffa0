#include "tls/store.h"

#include <openssl/err.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <string.h>

static int take(const struct store_search *s, OSSL_STORE_INFO *found)
{
    X509 *x;

    if (s->key != NULL && *s->key == NULL &&
        OSSL_STORE_INFO_get_type(found) == OSSL_STORE_INFO_PKEY)
        *s->key = OSSL_STORE_INFO_get1_PKEY(found);
    if (s->certificates == NULL || OSSL_STORE_INFO_get_type(found) != OSSL_STORE_INFO_CERT)
        return 0;
    x = OSSL_STORE_INFO_get1_CERT(found);
    if (x != NULL && sk_X509_push(s->certificates, x) > 0)
        return 0;
    X509_free(x);
    return -1;
}

static int take_all(const struct store_search *s, OSSL_STORE_CTX *store)
{
    int rc = 0;

    (void)OSSL_STORE_expect(store, s->key != NULL ? OSSL_STORE_INFO_PKEY : OSSL_STORE_INFO_CERT);
    while (rc == 0 && !OSSL_STORE_eof(store)) {
        OSSL_STORE_INFO *found = OSSL_STORE_load(store);

        if (found == NULL && OSSL_STORE_error(store))
            rc = -1;
        if (found != NULL)
            rc = take(s, found);
        OSSL_STORE_INFO_free(found);
    }
    return rc;
}

static int explain_no_store(const struct store_search *s, struct error *err)
{
    int length = (int)strcspn(s->uri, ":");

    ERR_clear_error();
    return error_set(err,
                     "nothing here opens %.*s: URIs; OpenSSL needs a provider for them, set up in "
                     "openssl.cnf",
                     length, s->uri);
}

int store_load(const struct store_search *s, struct error *err)
{
    UI_METHOD *ui = UI_UTIL_wrap_read_pem_callback(file_give_password, 0);
    int before = s->certificates != NULL ? sk_X509_num(s->certificates) : 0;
    OSSL_STORE_CTX *store = NULL;
    int rc = -1;

    ERR_clear_error();
    if (strncmp(s->uri, "file:", 5) == 0) {
        rc = error_set(err, "write a file's name without file:");
    } else if (ui == NULL) {
        rc = error_set(err, "memory has run out");
    } else if ((store = OSSL_STORE_open(s->uri, ui, (void *)s->password, NULL, NULL)) == NULL) {
        rc = explain_no_store(s, err);
    } else if (take_all(s, store) < 0 || (s->key != NULL && *s->key == NULL)) {
        rc = error_set(err, "nothing is found at this URI; its name may be wrong, or the PIN that "
                            "key_password_file or the URI's pin-source names");
    } else if (s->certificates != NULL && sk_X509_num(s->certificates) == before) {
        rc = error_set(err, "no certificate is found at this URI");
    } else {
        rc = 0;
    }
    (void)OSSL_STORE_close(store);
    UI_destroy_method(ui);
    ERR_clear_error();
    return rc;
}
