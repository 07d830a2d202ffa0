/* fuzz_certificate.c - a byte, K for a key or another, and a file that claims to hold it.
 *
 * A file either fails with a sentence or gives what it promises, and what it
 * gives can be ordered and named. Passwords are left out: how long a derivation
 * takes is written in the file.
 */
#include "test/fuzz/fuzz.h"

#include "tls/chain.h"
#include "tls/decode.h"

#include <string.h>

static void check_key(const struct file *file)
{
    struct error err = { "" };
    bool is_encrypted = false;
    EVP_PKEY *key = decode_key(file, NULL, &is_encrypted, &err);

    must((key != NULL) == (err.text[0] == '\0'));
    must(key == NULL || !is_encrypted);
    EVP_PKEY_free(key);
}

static void check_certificates(const struct file *file)
{
    STACK_OF(X509) *loaded = sk_X509_new_null(), *chain = sk_X509_new_null();
    struct error err = { "" };
    char name[CHAIN_NAME_BYTES];
    int rc = decode_certificates(file, loaded, &err);

    must((rc == 0) == (err.text[0] == '\0'));
    must(rc < 0 || sk_X509_num(loaded) > 0);
    for (int i = 0; i < sk_X509_num(loaded); i++) {
        X509 *leaf = sk_X509_value(loaded, i);

        must(strlen(chain_print_name(X509_get_subject_name(leaf), name)) < sizeof(name));
        must(strpbrk(name, "\r\n\t\x1b") == NULL);
        must(chain_build(loaded, leaf, chain) == 0);
        must(sk_X509_num(chain) < sk_X509_num(loaded));
        must(chain_uses(leaf, chain, leaf));
        sk_X509_zero(chain);
    }
    sk_X509_free(chain);
    sk_X509_pop_free(loaded, X509_free);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct file file = { .path = "file" };

    if (size == 0)
        return 0;
    file.size = size - 1;
    file.bytes = OPENSSL_zalloc(file.size + 1);
    must(file.bytes != NULL);
    memcpy(file.bytes, data + 1, file.size);
    if (data[0] == 'K')
        check_key(&file);
    else
        check_certificates(&file);
    file_wipe(&file);
    return 0;
}
