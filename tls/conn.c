/* conn.c - one client's TLS.
 *
 * OpenSSL's answers become an io_status in one place, status_of(). What it
 * wants to send, handshake and alerts included, is gathered by the wire; each
 * function here flushes the wire when it has called OpenSSL. What the socket
 * does not take then waits for tls_conn_flush().
 */
#include "tls/context.h"
#include "tls/errors.h"
#include "tls/offload.h"
#include "tls/ramp.h"
#include "tls/verify.h"
#include "tls/wire.h"

#include <assert.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    RECORDS_AT_ONCE = 64, /* of one read; each may hold a single byte */

    /* Handshake messages of a client that has done its handshake, in a second: KeyUpdates
     * (TLS 1.3), wishes to negotiate anew (TLS 1.2). A client that changes its keys
     * with every gigabyte needs one. (haproxy allows 100, BoringSSL 32 in a row.) */
    CHATTER_MAX = 100,
};

static const char socket_failed[] = "the socket failed";
static const char key_update_flood[] = "a flood of KeyUpdates";
static const char renegotiation_flood[] = "a flood of renegotiation requests";

struct tls_conn {
    SSL *ssl; /* owned */
    const struct tls_context *context;
    struct wire wire;
    struct ramp ramp;
    struct hello hello;
    struct verify_peer peer;  /* filled when somebody asks */
    enum io_status read_wait; /* what the next read will say, unless an event comes */
    bool is_truncated;
    bool is_established;
    bool wants_ticket;
    bool is_flooded;
    bool is_rekeyed; /* the client wants us to change keys, and the kernel has them */
    bool has_said_end;
    bool has_small_records; /* OpenSSL knows that they shall be */
    unsigned chatter;       /* handshake messages that came in the second `chatter_s` */
    time_t chatter_s;
    const char *fault; /* constant text */
};

struct tls_conn *tls_conn_new(struct tls_context *context, int fd, struct pool *pool)
{
    struct tls_conn *conn = calloc(1, sizeof(*conn));
    BIO *bio;

    assert(pool->buffer_bytes >= TLS_RECORD_BYTES);
    if (conn == NULL)
        return NULL;
    conn->context = context;
    conn->ssl = SSL_new(context->ssl);
    bio = wire_new(&conn->wire, fd, pool);
    if (conn->ssl == NULL || bio == NULL) {
        BIO_free_all(bio);
        SSL_free(conn->ssl);
        free(conn);
        ERR_clear_error();
        return NULL;
    }
    conn->wire.may_offload = context->may_offload;
    (void)SSL_set_app_data(conn->ssl, &conn->hello);
    SSL_set_bio(conn->ssl, bio, bio);
    SSL_set_accept_state(conn->ssl);
    return conn;
}

void tls_conn_free(struct tls_conn *conn)
{
    if (conn == NULL)
        return;
    wire_drop(&conn->wire);
    verify_forget(&conn->peer);
    SSL_free(conn->ssl);
    free(conn->hello.name);
    free(conn);
}

void tls_conn_notice(struct tls_conn *conn, bool is_readable, bool is_writable, bool has_fin)
{
    conn->wire.has_fin |= has_fin;
    if (is_readable) {
        conn->wire.is_drained = false;
        if (conn->read_wait == IO_WANT_READ)
            conn->read_wait = IO_OK;
    }
    if (is_writable)
        conn->wire.is_full = false;
}

static enum io_status flush_before(struct tls_conn *conn, bool is_last)
{
    enum io_status status = wire_flush(&conn->wire, is_last);

    if (status == IO_ERROR)
        conn->fault = socket_failed;
    return status;
}

static enum io_status flush(struct tls_conn *conn)
{
    return flush_before(conn, false);
}

/* Why OpenSSL failed, in the most precise words there are. */
static const char *fault_of(const struct tls_conn *conn)
{
    long verified = SSL_get_verify_result(conn->ssl);

    if (conn->hello.refusal != NULL) {
        ERR_clear_error();
        return conn->hello.refusal;
    }
    if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED &&
        verified != X509_V_OK) {
        ERR_clear_error();
        return X509_verify_cert_error_string(verified);
    }
    return tls_error_reason();
}

/* What OpenSSL's last call on this conn, which returned `rc`, asks for. */
static enum io_status status_of(struct tls_conn *conn, int rc)
{
    switch (SSL_get_error(conn->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return conn->wire.is_paused ? IO_YIELD : IO_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return conn->wire.is_starved ? IO_STARVED : IO_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return IO_EOF;
    default:
        break;
    }
    conn->fault = fault_of(conn);
    if (conn->wire.error != 0)
        conn->fault = socket_failed;
    return IO_ERROR;
}

/* A read that wants more of a socket that has ended has come to its end. */
static enum io_status end_of_wire(struct tls_conn *conn, enum io_status status)
{
    if (status != IO_WANT_READ || !conn->wire.has_ended)
        return status;
    conn->is_truncated = true;
    return IO_EOF;
}

enum { KEY_UPDATE_BYTES = 5, KEY_UPDATE_REQUESTED = 1 }; /* RFC 8446, 4.6.3 */

/* It is to be answered by a KeyUpdate of ours before any other byte; the kernel cannot. */
static bool asks_for_new_keys(const unsigned char *message, size_t n)
{
    return n == KEY_UPDATE_BYTES && message[0] == SSL3_MT_KEY_UPDATE &&
           message[n - 1] == KEY_UPDATE_REQUESTED;
}

/* For each message after the handshake.
 * NOLINTNEXTLINE(readability-function-size): the parameters are OpenSSL's choice */
static void on_message(int is_sent, int version, int type, const void *bytes, size_t n, SSL *ssl,
                       void *user)
{
    struct tls_conn *conn = user;
    struct timespec now;

    (void)version;
    if (is_sent || type != SSL3_RT_HANDSHAKE)
        return;
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    if (conn->chatter_s != now.tv_sec)
        conn->chatter = 0;
    conn->chatter_s = now.tv_sec;
    conn->is_flooded |= ++conn->chatter > CHATTER_MAX;
    conn->is_rekeyed |= conn->wire.is_offloaded && asks_for_new_keys(bytes, n);
    if (conn->is_flooded ||
        conn->is_rekeyed) /* ends the SSL_read that works through them, which may have 64 kB */
        SSL_set_shutdown(ssl, SSL_get_shutdown(ssl) | SSL_RECEIVED_SHUTDOWN);
}

static void establish(struct tls_conn *conn)
{
    if (conn->is_established)
        return;
    conn->is_established = true;
    SSL_set_msg_callback(conn->ssl, on_message);
    (void)SSL_set_msg_callback_arg(conn->ssl, conn);
}

enum io_status tls_conn_handshake(struct tls_conn *conn)
{
    enum io_status status;
    int rc;

    ERR_clear_error();
    wire_allow(&conn->wire);
    rc = SSL_do_handshake(conn->ssl);
    status = rc == 1 ? IO_OK : end_of_wire(conn, status_of(conn, rc));

    if (rc == 1)
        establish(conn);
    if (flush(conn) == IO_ERROR)
        return IO_ERROR;
    return status;
}

/* We asked for a second ClientHello (HelloRetryRequest), and have no key of the client's yet.
 * OpenSSL is in the same state when all was answered. */
static bool has_asked_again(const struct tls_conn *conn)
{
    EVP_PKEY *key = NULL;

    if (SSL_get_state(conn->ssl) != TLS_ST_EARLY_DATA)
        return false;
    if (SSL_get_peer_tmp_key(conn->ssl, &key) != 1)
        return true;
    EVP_PKEY_free(key);
    return false;
}

bool tls_conn_is_fresh(const struct tls_conn *conn)
{
    OSSL_HANDSHAKE_STATE state = SSL_get_state(conn->ssl);

    return state == TLS_ST_BEFORE || state == TLS_ST_SR_CLNT_HELLO || has_asked_again(conn);
}

/* On P-384 or with RSA, a ClientKeyExchange costs as much as the answer to the ClientHello. */
bool tls_conn_is_costly(const struct tls_conn *conn)
{
    OSSL_HANDSHAKE_STATE state = SSL_get_state(conn->ssl);

    return tls_conn_is_fresh(conn) || state == TLS_ST_SW_SRVR_DONE || state == TLS_ST_SR_CERT;
}

bool tls_conn_hand_over(struct tls_conn *conn)
{
    conn->wire.is_away = wire_room(&conn->wire) > 0;
    return conn->wire.is_away;
}

void tls_conn_take_back(struct tls_conn *conn)
{
    conn->wire.is_away = false;
    (void)flush(conn);
}

/* An SSL_read that finds nothing costs two allocations, and each event on
 * either side of a session leads here: so its answer is remembered. */
enum io_status tls_conn_read(struct tls_conn *conn, void *out, size_t size, size_t *n)
{
    size_t got;

    *n = 0;
    if (conn->is_rekeyed)
        return IO_IDLE;
    if (conn->read_wait != IO_WANT_READ && conn->read_wait != IO_EOF && conn->read_wait != IO_ERROR)
        conn->read_wait = IO_OK;
    if (conn->read_wait != IO_OK)
        return conn->read_wait;

    ERR_clear_error();
    for (int i = 0; i < RECORDS_AT_ONCE && *n < size && conn->read_wait == IO_OK; i++) {
        wire_allow(&conn->wire);
        if (SSL_read_ex(conn->ssl, (char *)out + *n, size - *n, &got) == 1)
            *n += got;
        else
            conn->read_wait = end_of_wire(conn, status_of(conn, 0));
    }
    if (conn->is_flooded) {
        conn->fault =
            SSL_version(conn->ssl) == TLS1_3_VERSION ? key_update_flood : renegotiation_flood;
        conn->read_wait = IO_ERROR;
    } else if (conn->is_rekeyed) {
        conn->read_wait = IO_IDLE; /* for ever: the owner ends this */
    }
    if (flush(conn) == IO_ERROR) /* an alert */
        conn->read_wait = IO_ERROR;
    return *n > 0 ? IO_OK : conn->read_wait;
}

static uint32_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
}

/* OpenSSL also has a size to split for several at once, which shrinks with the other
 * and does not grow with it. Grow it behind a write that has gone well only: then OpenSSL has no
 * buffer to write from. One that an alert has left there keeps the size of its records. */
static void set_records(struct tls_conn *conn, size_t text_bytes)
{
    bool is_small = text_bytes < TLS_TEXT_BYTES;

    if (is_small == conn->has_small_records)
        return;
    conn->has_small_records = is_small;
    (void)SSL_set_max_send_fragment(conn->ssl, (long)text_bytes);
    (void)SSL_set_split_send_fragment(conn->ssl, (long)text_bytes);
}

/* How much plaintext fits into the wire as records of `text_bytes`; 0 when starved. */
static size_t room_for_plaintext(struct tls_conn *conn, size_t size, size_t text_bytes)
{
    bool is_little = size <= TLS_TEXT_BYTES && !conn->wants_ticket;
    size_t room = is_little ? wire_room_for(&conn->wire, TLS_RECORD_BYTES) : wire_room(&conn->wire);

    if (conn->wants_ticket && room >= 2 * (size_t)TLS_RECORD_BYTES)
        room -= TLS_RECORD_BYTES;
    return room / (text_bytes + TLS_FRAME_BYTES) * text_bytes;
}

/* To send a ticket OpenSSL also takes a buffer to read into, and gives it back
 * when a read finds nothing; the socket is not asked. (SSL_free_buffers() would
 * do, but is unsafe before 3.0.14: CVE-2024-4741.) */
static void put_read_buffer(struct tls_conn *conn)
{
    char byte;
    size_t got;

    conn->wire.may_receive = false;
    (void)SSL_peek_ex(conn->ssl, &byte, sizeof(byte), &got);
}

/* ---- where the kernel encrypts ---- */

/* What the wire said of its socket. */
static enum io_status note_wire(struct tls_conn *conn, enum io_status status)
{
    if (status == IO_ERROR)
        conn->fault = socket_failed;
    return status;
}

/* IO_OK: application data is next. */
static enum io_status make_way(struct tls_conn *conn)
{
    enum io_status status;
    int rc;

    if (conn->is_rekeyed || conn->has_said_end)
        return IO_IDLE;
    if (!conn->wants_ticket)
        return IO_OK;
    ERR_clear_error();
    wire_allow(&conn->wire);
    if (!SSL_in_init(conn->ssl) && SSL_new_session_ticket(conn->ssl) != 1)
        ERR_clear_error(); /* it can do without */
    rc = SSL_do_handshake(conn->ssl);
    status = rc == 1 ? IO_OK : status_of(conn, rc);
    if (status == IO_OK) {
        conn->wants_ticket = false;
        put_read_buffer(conn);
    }
    return status;
}

static enum io_status write_offloaded(struct tls_conn *conn, const void *bytes, size_t size,
                                      size_t *n)
{
    enum io_status status = make_way(conn);

    return status == IO_OK ? note_wire(conn, wire_send(&conn->wire, bytes, size, n)) : status;
}

static enum io_status shut_down_offloaded(struct tls_conn *conn)
{
    static const unsigned char close_notify[] = { SSL3_AL_WARNING, SSL_AD_CLOSE_NOTIFY };
    struct wire *wire = &conn->wire;
    enum io_status status = IO_OK;

    if (!conn->has_said_end)
        status = note_wire(
            conn, wire_send_record(wire, SSL3_RT_ALERT, close_notify, sizeof(close_notify)));
    if (status != IO_OK)
        return status;
    conn->has_said_end = true;
    if (offload_is_flushed(wire->fd, conn->ssl, wire->sent_bytes, wire->offloaded_bytes))
        return IO_OK;
    return wire_is_full(wire) ? IO_WANT_WRITE : IO_YIELD; /* the kernel is about to */
}

bool tls_conn_is_offloaded(const struct tls_conn *conn)
{
    return conn->wire.is_offloaded;
}

bool tls_conn_can_splice(const struct tls_conn *conn)
{
    return conn->wire.is_offloaded && !conn->wants_ticket && !conn->is_rekeyed;
}

enum io_status tls_conn_splice(struct tls_conn *conn, struct pipe *from, size_t *n)
{
    enum io_status status = make_way(conn);

    *n = 0;
    return status == IO_OK ? note_wire(conn, wire_splice(&conn->wire, from, n)) : status;
}

bool tls_conn_needs_new_keys(const struct tls_conn *conn)
{
    return conn->is_rekeyed;
}

/* ---- */

enum io_status tls_conn_write(struct tls_conn *conn, const void *bytes, size_t size, size_t *n)
{
    enum io_status status = flush(conn);
    uint32_t now = now_ms();
    bool sends_ticket;
    size_t text_bytes;
    size_t room;

    *n = 0;
    if (status != IO_OK)
        return status;
    if (conn->wire.is_offloaded)
        return write_offloaded(conn, bytes, size, n);
    text_bytes = ramp_text_bytes(&conn->ramp, now);
    room = room_for_plaintext(conn, size, text_bytes);
    if (room == 0)
        return IO_STARVED;

    ERR_clear_error();
    set_records(conn, text_bytes);
    sends_ticket = conn->wants_ticket;
    conn->wants_ticket = false;
    if (sends_ticket)
        (void)SSL_new_session_ticket(conn->ssl);
    wire_allow(&conn->wire);
    if (SSL_write_ex(conn->ssl, bytes, size < room ? size : room, n) == 1) {
        ramp_note(&conn->ramp, *n, now);
        set_records(conn, ramp_text_bytes(&conn->ramp, now));
        if (sends_ticket)
            put_read_buffer(conn);
    } else {
        status = status_of(conn, 0);
    }
    if (flush(conn) == IO_ERROR)
        return IO_ERROR;
    return status;
}

enum io_status tls_conn_flush(struct tls_conn *conn)
{
    return flush(conn);
}

bool tls_conn_is_blocked(const struct tls_conn *conn)
{
    return tls_conn_pending(conn) > 0 || (conn->wire.is_offloaded && conn->wire.is_full);
}

size_t tls_conn_pending(const struct tls_conn *conn)
{
    return conn->wire.out != NULL ? buffer_len(conn->wire.out) : 0;
}

enum io_status tls_conn_shutdown(struct tls_conn *conn)
{
    enum io_status status = flush(conn);

    if (status == IO_OK && conn->wire.is_offloaded)
        return shut_down_offloaded(conn);
    if (status != IO_OK || (SSL_get_shutdown(conn->ssl) & SSL_SENT_SHUTDOWN) != 0)
        return status;
    if (wire_room(&conn->wire) == 0)
        return IO_STARVED;

    ERR_clear_error();
    if (SSL_shutdown(conn->ssl) < 0) {
        wire_drop(&conn->wire);
        conn->fault = tls_error_reason();
        return IO_ERROR;
    }
    return flush_before(conn, true);
}

void tls_conn_send_ticket(struct tls_conn *conn)
{
    conn->wants_ticket = SSL_version(conn->ssl) == TLS1_3_VERSION;
}

bool tls_conn_is_truncated(const struct tls_conn *conn)
{
    return conn->is_truncated;
}

int tls_conn_errno(const struct tls_conn *conn)
{
    return conn->wire.error;
}

const char *tls_conn_fault(const struct tls_conn *conn)
{
    return conn->fault;
}

const char *tls_conn_version(const struct tls_conn *conn)
{
    return conn->is_established ? SSL_get_version(conn->ssl) : NULL;
}

const char *tls_conn_cipher(const struct tls_conn *conn)
{
    return conn->is_established ? SSL_get_cipher_name(conn->ssl) : NULL;
}

const char *tls_conn_sni(const struct tls_conn *conn)
{
    return SSL_get_servername(conn->ssl, TLSEXT_NAMETYPE_host_name);
}

/* Which of several key types OpenSSL chose, it tells by the signature alone. */
static bool is_of_type(const struct tls_certificate *c, int type)
{
    int id = EVP_PKEY_get_base_id(c->key);
    bool is_rsa = id == EVP_PKEY_RSA || id == EVP_PKEY_RSA_PSS;

    return id == type || (is_rsa && (type == EVP_PKEY_RSA || type == EVP_PKEY_RSA_PSS));
}

const char *tls_conn_certificate(const struct tls_conn *conn)
{
    int type = EVP_PKEY_RSA; /* RSA key exchange signs nothing */
    struct choice choice;

    if (!conn->is_established)
        return NULL;
    context_choose(conn->context, hello_name(&conn->hello), &choice);
    if (SSL_session_reused(conn->ssl) == 1)
        return choice.certificates[0]->name;
    (void)SSL_get_signature_type_nid(conn->ssl, &type);
    for (size_t i = 0; i < choice.count; i++)
        if (is_of_type(choice.certificates[i], type))
            return choice.certificates[i]->name;
    return choice.certificates[0]->name;
}

static const struct verify_peer *peer_of(struct tls_conn *conn)
{
    if (conn->is_established)
        verify_describe(conn->ssl, &conn->peer);
    return &conn->peer;
}

const char *tls_conn_client_subject(struct tls_conn *conn)
{
    return peer_of(conn)->subject;
}

const char *tls_conn_client_issuer(struct tls_conn *conn)
{
    return peer_of(conn)->issuer;
}

const char *tls_conn_client_serial(struct tls_conn *conn)
{
    return peer_of(conn)->serial;
}

const char *tls_conn_client_fingerprint(struct tls_conn *conn)
{
    return peer_of(conn)->fingerprint;
}

const char *tls_conn_client_verify(struct tls_conn *conn)
{
    return peer_of(conn)->fingerprint != NULL ? "SUCCESS" : "NONE";
}
