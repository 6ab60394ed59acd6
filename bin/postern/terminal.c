/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the administrator sees and types: messages, text from elsewhere made harmless, and passwords.
 */
#include "admin.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#define MESSAGE_LIMIT 8192
#define PASSWORD_LIMIT 511 /* what crypt(3) takes */

/* The length of the printable UTF-8 character at s, or 0: control bytes (C1 too), direction marks and bad
 * sequences. */
static size_t printable(struct span s)
{
    unsigned char c = (unsigned char)s.p[0];
    if (c < 0x80)
        return c >= 0x20 && c != 0x7f;
    size_t n = c >= 0xf0 && c < 0xf5 ? 4 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xc2 && c < 0xe0 ? 2 : 0;
    if (n == 0 || s.n < n)
        return 0;
    uint32_t value = c & (0xff >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)s.p[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | ((unsigned char)s.p[i] & 0x3f);
    }
    if (value < 0xa0 || (n == 3 && value < 0x800) || (n == 4 && (value < 0x10000 || value > 0x10ffff)))
        return 0;
    if ((value >= 0xd800 && value < 0xe000) || (value >= 0x200e && value <= 0x200f) ||
        (value >= 0x2028 && value <= 0x202e) || (value >= 0x2066 && value <= 0x2069))
        return 0;
    return n;
}

size_t text_character(struct span s)
{
    return s.n ? printable(s) : 0;
}

/* The next character, or the escape of the next byte, into `piece`: its length. */
static size_t take_piece(struct span *text, bool word, char piece[8])
{
    size_t n = word && text->p[0] == ' ' ? 0 : printable(*text);
    if (n)
        memcpy(piece, text->p, n);
    else
        snprintf(piece, 8, "\\x%02x", (unsigned char)text->p[0]);
    *text = span_from(*text, n ? n : 1);
    return n ? n : 4;
}

static void put_text(FILE *f, struct span text, bool word)
{
    char piece[8];
    while (text.n)
        fwrite(piece, 1, take_piece(&text, word, piece), f);
}

void text_escape(struct span text, bool word, struct bytes *to)
{
    char piece[8];
    while (text.n)
        bytes_add(to, piece, take_piece(&text, word, piece));
}

void say_text(struct span text)
{
    put_text(stdout, text, false);
}

void say_word(struct span text)
{
    put_text(stdout, text, true);
}

size_t terminal_width(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO))
        return 0;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

/* Can the terminal on fd do more than print? */
static bool is_able(int fd)
{
    const char *term = getenv("TERM");
    return isatty(fd) && term && term[0] && strcmp(term, "dumb") != 0;
}

bool terminal_colour(void)
{
    const char *no = getenv("NO_COLOR"); /* no-color.org: an empty one says nothing */
    return is_able(STDOUT_FILENO) && !(no && no[0]);
}

bool terminal_progress(void)
{
    return is_able(STDERR_FILENO);
}

/* How wide a character is that text_escape() has let through; glibc's wide characters are code points. */
static size_t columns(struct span character)
{
    uint32_t value = (unsigned char)character.p[0];
    if (value < 0x80)
        return 1;
    value &= 0xff >> (character.n + 1);
    for (size_t i = 1; i < character.n; i++)
        value = value << 6 | ((unsigned char)character.p[i] & 0x3f);
    int width = wcwidth((wchar_t)value);
    return width < 0 ? 1 : (size_t)width;
}

void say_cut(struct span text, size_t width, bool fill)
{
    struct span rest = text;
    size_t used = 0, fits = 0; /* bytes of it that leave a column for the mark of the cut */
    while (rest.n) {
        struct span c = span_head(rest, printable(rest) ? printable(rest) : 1);
        used += columns(c);
        rest = span_from(rest, c.n);
        if (used > width)
            break;
        if (used < width)
            fits = text.n - rest.n;
    }
    bool cut = used > width;
    fwrite(text.p, 1, cut ? fits : text.n, stdout);
    if (cut)
        putchar('~');
    for (; fill && width != SIZE_MAX && !cut && used < width; used++)
        putchar(' ');
}

int complain(int status, const char *format, ...)
{
    char message[MESSAGE_LIMIT];
    va_list ap;
    va_start(ap, format);
    vsnprintf(message, sizeof message, format, ap);
    va_end(ap);
    fflush(stdout);
    fputs("postern: ", stderr);
    put_text(stderr, span_of(message), false);
    fputc('\n', stderr);
    return status;
}

/* One line, byte by byte: what follows it belongs to somebody else. */
static bool read_line(int fd, struct bytes *line)
{
    char c;
    ssize_t n;
    bytes_clear(line);
    while ((n = read(fd, &c, 1)) == 1 && c != '\n')
        bytes_add_char(line, c);
    if (line->len && line->data[line->len - 1] == '\r')
        line->data[--line->len] = '\0';
    explicit_bzero(&c, sizeof c);
    return n >= 0 && (n == 1 || line->len);
}

static bool ask(const char *prompt, const char *whose, struct bytes *answer)
{
    fprintf(stderr, "%s for %s: ", prompt, whose);
    bool ok = read_line(STDIN_FILENO, answer);
    fputc('\n', stderr);
    return ok;
}

static bool ask_twice(const char *whose, struct bytes *password)
{
    struct termios before, silent;
    struct bytes again;
    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return false;
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    silent.c_lflag |= ISIG | ICANON;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    bytes_init(&again, PASSWORD_LIMIT);
    bool ok = ask("Password", whose, password) && ask("The same again", whose, &again);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    if (ok && !span_eq(span_bytes(password), span_bytes(&again))) {
        complain(EX_USAGE, "the two passwords differ; nothing was changed");
        ok = false;
    }
    bytes_wipe(&again);
    return ok;
}

bool read_password(const char *whose, struct bytes *password)
{
    bytes_init(password, PASSWORD_LIMIT);
    bool terminal = isatty(STDIN_FILENO);
    bool ok = terminal ? ask_twice(whose, password) : read_line(STDIN_FILENO, password);
    if (!ok && !terminal)
        complain(EX_NOINPUT, "no password on standard input: one line is expected");
    else if (password->failed)
        complain(EX_DATAERR, "the password is longer than %d bytes", PASSWORD_LIMIT);
    else if (ok && span_find(span_bytes(password), '\0') < password->len)
        complain(EX_DATAERR, "the password holds a NUL");
    else if (ok && password->len == 0)
        complain(EX_DATAERR, "an empty password is no password");
    else if (ok)
        return true;
    bytes_wipe(password);
    return false;
}
