/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * TLS with the key in another process: for each kind of key, a client, a sandboxed session without the key,
 * and a guard with it. And what the guard refuses to sign. Certificates come from certtool.
 */
#include "tap.h"

#include "net/guard.h"
#include "net/sandbox.h"
#include "net/tls.h"
#include "text/base64.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/postern-tls-XXXXXX";
static char key_file[64], certificate_file[64];
static struct settings settings = { .tls_certificate = certificate_file, .tls_key = key_file };

static bool make_certificate(const char *kind)
{
    char command[512];
    snprintf(key_file, sizeof key_file, "%s/%s.key", dir, kind);
    snprintf(certificate_file, sizeof certificate_file, "%s/%s.pem", dir, kind);
    snprintf(
        command, sizeof command,
        "cd %s && printf 'cn = mx.test\\ndns_name = mx.test\\nexpiration_days = 2\\ntls_www_server\\nsigning_key\\n' >t && "
        "certtool --generate-privkey --key-type=%s --outfile %s 2>/dev/null && "
        "certtool --generate-self-signed --load-privkey %s --template t --outfile %s 2>/dev/null",
        dir, kind, key_file, key_file, certificate_file);
    return system(command) == 0;
}

static const struct guard_verb no_verbs[] = { { 0, 0, NULL, NULL } };

static pid_t start_guard(int channel, int other)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    close(other);
    struct tls_key key;
    tls_key_init(&key, &settings);
    struct guard g = { .channel = channel, .state = 1, .key = &key, .peer = "test" };
    guard_loop(&g, no_verbs);
    _exit(0);
}

/* What a connection is bound to by tls-exporter, as a line of base64. */
static void write_exporter(struct conn *c)
{
    struct bytes data, text;
    bytes_init(&data, 64);
    bytes_init(&text, 128);
    if (tls_exporter(c, &data) && data.len == 32)
        base64_encode(span_bytes(&data), &text);
    conn_printf(c, "%s\r\n", bytes_str(&text));
    bytes_free(&data);
    bytes_free(&text);
}

/* Does the server's line have what this end has? */
static bool same_exporter(struct conn *c)
{
    struct bytes data, text;
    struct span line;
    bytes_init(&data, 64);
    bytes_init(&text, 128);
    bool same = conn_line(c, 100, &line) == CONN_OK && line.n == 44 && tls_exporter(c, &data) &&
                base64_encode(span_bytes(&data), &text) && span_eq(line, span_bytes(&text));
    bytes_free(&data);
    bytes_free(&text);
    return same;
}

/* tls-server-end-point is the certificate's fingerprint, by the hash of its signature. */
static void end_point(struct tls_server *server, const char *kind)
{
    char command[256], want[160] = "", got[160] = "";
    struct bytes data;
    bytes_init(&data, 64);
    snprintf(command, sizeof command, "certtool --fingerprint --hash %s --infile %s",
             strcmp(kind, "ed25519") == 0 ? "sha512" : "sha256", certificate_file);
    FILE *f = popen(command, "r");
    bool read = f && fscanf(f, "%159s", want) == 1;
    if (f)
        pclose(f);
    bool made = tls_server_end_point(server, 0, &data);
    for (size_t i = 0; i < data.len; i++)
        snprintf(got + 2 * i, 3, "%02x", (unsigned char)data.data[i]);
    ok(read && made && strcmp(got, want) == 0, "%s: the end point %s is %s", kind, want, got);
    bytes_free(&data);
}

/* The server's session: greets, and answers one line. */
static void serve(int fd, int channel, struct tls_server *server)
{
    struct sandbox *box = NULL;
    struct bytes error;
    struct span line;
    bytes_init(&error, 1024);
    const char *without = getenv("SANDBOX");
    enum sandbox_mode mode = without && strcmp(without, "none") == 0 ? SANDBOX_NONE : SANDBOX_REQUIRE;
    if (sandbox_prepare(SANDBOX_SESSION, mode, NULL, 0, 64 << 20, &box, &error) != ST_OK ||
        !sandbox_enter(box))
        _exit(3);
    struct conn *c = conn_new(fd, fd);
    conn_deadlines(c, 10000, 0);
    if (!tls_accept(c, server, guard_sign, &channel))
        _exit(4);
    conn_write_str(c, "hello\r\n");
    if (conn_line(c, 100, &line) != CONN_OK)
        _exit(5);
    conn_printf(c, "you said %.*s over %s\r\n", SPAN_FMT(line), tls_description(c));
    write_exporter(c);
    conn_flush(c);
    conn_free(c);
    _exit(0);
}

static void whole_session(const char *kind)
{
    int wire[2], channel[2], how = -1;
    struct tls_server *server = NULL;
    struct bytes error;
    struct span line;
    bytes_init(&error, 1024);
    if (!ok(make_certificate(kind), "%s: certtool", kind) ||
        !ok(tls_server_load(&settings, &server, &error) == ST_OK, "%s: loaded %s", kind, bytes_str(&error)))
        return;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, wire) != 0 || channel_pair(channel) != ST_OK)
        abort();
    pid_t guard = start_guard(channel[1], channel[0]);
    pid_t session = fork();
    if (session == 0) {
        close(wire[0]);
        close(channel[1]);
        serve(wire[1], channel[0], server);
    }
    close(wire[1]);
    close(channel[0]);
    close(channel[1]);
    struct conn *c = conn_new(wire[0], wire[0]);
    conn_deadlines(c, 10000, 0);
    ok(tls_connect(c, "mx.test"), "%s: handshake", kind);
    ok(conn_line(c, 100, &line) == CONN_OK && span_eq_str(line, "hello"), "%s: greeting", kind);
    conn_write_str(c, "knock\r\n");
    ok(conn_line(c, 200, &line) == CONN_OK && span_starts(line, "you said knock over TLS1.3 "), "%s: %.*s",
       kind, SPAN_FMT(line));
    ok(same_exporter(c), "%s: both ends have the same to bind to", kind);
    ok(conn_line(c, 100, &line) == CONN_GONE, "%s: end", kind);
    conn_free(c);
    close(wire[0]);
    waitpid(session, &how, 0);
    ok(WIFEXITED(how) && WEXITSTATUS(how) == 0, "%s: the session ended well (%x)", kind, how);
    waitpid(guard, &how, 0);
    end_point(server, kind);
    tls_server_free(server);
}

/* Numbers of signature algorithms as GnuTLS has them; the guard must refuse by shape and kind, not by
 * chance. */
enum { RSA_SHA1 = 1, RSA_SHA256 = 6, ECDSA_SHA256 = 14, EDDSA = 35, RSA_RAW = 36 };

static void refusals(const char *kind)
{
    static const struct {
        const char *name; unsigned algorithm; struct span input;
    } rows[] = {
        { "a short hash", RSA_SHA256, { "0123456789", 10 } },
        { "an empty hash", RSA_SHA256, { "", 0 } },
        { "raw bytes that are no DigestInfo",
          RSA_RAW,
          { "0123456789abcdef0123456789abcdef0123456789abcdef012", 51 } },
        { "free text with EdDSA", EDDSA, { "I owe you a thousand pounds", 27 } },
        { "another key's algorithm and size", ECDSA_SHA256, { "01234567890123456789012345678901x", 33 } },
        { "SHA-1", RSA_SHA1, { "01234567890123456789", 20 } },
        { "an unknown algorithm", 60000, { "01234567890123456789012345678901", 32 } },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tls_key key;
        struct bytes signature;
        bytes_init(&signature, 1024);
        tls_key_init(&key, &settings);
        ok(tls_key_sign(&key, 0, rows[i].algorithm, rows[i].input, &signature) == ST_PERM &&
               signature.len == 0,
           "%s: refuses %s", kind, rows[i].name);
        tls_key_sign(&key, 0, rows[i].algorithm, rows[i].input, &signature);
        ok(key.signed_count == TLS_KEY_SIGNATURES &&
               tls_key_sign(&key, 0, RSA_SHA256, rows[i].input, &signature) == ST_PERM,
           "%s: and a third request", kind);
        tls_key_free(&key);
        bytes_free(&signature);
    }
}

int main(void)
{
    static const char *const kinds[] = { "rsa", "ecdsa", "ed25519" };
    if (!mkdtemp(dir))
        abort();
    for (size_t i = 0; i < 3; i++) {
        whole_session(kinds[i]);
        close(STDERR_FILENO); /* refusals are logged */
        refusals(kinds[i]);
    }
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    ok(system(command) == 0, "tidy");
    return done_testing();
}
