#include "tls/legacy.h"

#include <openssl/err.h>
#include <openssl/evp.h>

void legacy_init(struct legacy *legacy)
{
    *legacy = (struct legacy){ .library = OSSL_LIB_CTX_new() };
    if (legacy->library == NULL)
        return;
    legacy->common = OSSL_PROVIDER_load(legacy->library, "default");
    legacy->old = OSSL_PROVIDER_load(legacy->library, "legacy");
    ERR_clear_error();
}

void legacy_deinit(struct legacy *legacy)
{
    if (legacy->old != NULL)
        (void)OSSL_PROVIDER_unload(legacy->old);
    if (legacy->common != NULL)
        (void)OSSL_PROVIDER_unload(legacy->common);
    OSSL_LIB_CTX_free(legacy->library);
}

bool legacy_is_missing(void)
{
    unsigned long code;
    bool is_missing = false;

    while ((code = ERR_get_error()) != 0) {
        int reason = ERR_GET_REASON(code);

        is_missing |= reason == ERR_R_UNSUPPORTED;
        if (ERR_GET_LIB(code) == ERR_LIB_EVP)
            is_missing |= reason == EVP_R_UNSUPPORTED_ALGORITHM ||
                          reason == EVP_R_UNSUPPORTED_CIPHER || reason == EVP_R_UNKNOWN_CIPHER ||
                          reason == EVP_R_UNKNOWN_PBE_ALGORITHM;
    }
    return is_missing;
}
