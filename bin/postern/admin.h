/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern(8), the administrator's command: what its parts share. Each command is a function that
 * gets its arguments and returns the exit status (sysexits(3)).
 */
#ifndef POSTERN_ADMIN_H
#define POSTERN_ADMIN_H

#include "base/settings.h"
#include "store/tables.h"
#include "text/domains.h"

struct admin {
    const char *file;  /* of the settings, as given or the default */
    struct settings s; /* loaded, except in setup, help and version */
    int lock;          /* of the tables; -1 while not held */
    bool json;         /* --json was given, to a command whose row of the table says JSON */
};

/* --- commands: argc counts the arguments behind the command's words --- */
int setup_command(struct admin *a, int argc, char **argv);
int domain_list(struct admin *a, int argc, char **argv); /* lists.c, as are those of the other tables */
int relay_list(struct admin *a, int argc, char **argv);
int bcc_list(struct admin *a, int argc, char **argv);
int user_list(struct admin *a, int argc, char **argv);
int alias_list(struct admin *a, int argc, char **argv);
int refuse_list(struct admin *a, int argc, char **argv);
int route_list(struct admin *a, int argc, char **argv);
int domain_add(struct admin *a, int argc, char **argv);
int domain_remove(struct admin *a, int argc, char **argv);
int relay_add(struct admin *a, int argc, char **argv); /* domain.c, as are those of tables */
int relay_remove(struct admin *a, int argc, char **argv);
int bcc_add(struct admin *a, int argc, char **argv);
int bcc_remove(struct admin *a, int argc, char **argv);
int user_add(struct admin *a, int argc, char **argv);
int user_remove(struct admin *a, int argc, char **argv);
int user_passwd(struct admin *a, int argc, char **argv);
int user_show(struct admin *a, int argc, char **argv); /* user_state.c */
int user_disable(struct admin *a, int argc, char **argv);
int user_enable(struct admin *a, int argc, char **argv);
int user_apppass(struct admin *a, int argc, char **argv); /* user_apppass.c */
int master_add(struct admin *a, int argc, char **argv); /* master.c */
int master_passwd(struct admin *a, int argc, char **argv);
int master_remove(struct admin *a, int argc, char **argv);
int master_list(struct admin *a, int argc, char **argv);
int user_import(struct admin *a, int argc, char **argv); /* user_import.c */
int user_quota(struct admin *a, int argc, char **argv); /* user_quota.c */
int alias_add(struct admin *a, int argc, char **argv);
int alias_remove(struct admin *a, int argc, char **argv);
int alias_import(struct admin *a, int argc, char **argv); /* alias_import.c */
int refuse_add(struct admin *a, int argc, char **argv); /* refuse.c */
int refuse_remove(struct admin *a, int argc, char **argv);
int route_add(struct admin *a, int argc, char **argv); /* route.c */
int route_remove(struct admin *a, int argc, char **argv);
int queue_list_command(struct admin *a, int argc, char **argv);
int queue_show(struct admin *a, int argc, char **argv);
int queue_retry(struct admin *a, int argc, char **argv);
int queue_hold(struct admin *a, int argc, char **argv);
int queue_release(struct admin *a, int argc, char **argv);
int queue_drop(struct admin *a, int argc, char **argv);
int doctor_command(struct admin *a, int argc, char **argv); /* doctor.c */
int status_command(struct admin *a, int argc, char **argv); /* status.c */
int metrics_command(struct admin *a, int argc, char **argv); /* metrics.c */
int trace_command(struct admin *a, int argc, char **argv); /* trace.c */
int import_command(struct admin *a, int argc, char **argv); /* import.c */
int export_command(struct admin *a, int argc, char **argv); /* export.c */
int upkeep_command(struct admin *a, int argc, char **argv); /* upkeep.c */
int backup_command(struct admin *a, int argc, char **argv); /* backup.c */
int backup_verify(struct admin *a, int argc, char **argv); /* backup_check.c */
int backup_list(struct admin *a, int argc, char **argv);
int restore_command(struct admin *a, int argc, char **argv); /* restore.c */
int tables_command(struct admin *a, int argc, char **argv);
int dkim_list(struct admin *a, int argc, char **argv); /* dkim.c */
int dkim_make(struct admin *a, int argc, char **argv);
int dkim_rotate(struct admin *a, int argc, char **argv); /* dkim_rotate.c */
int dkim_remove(struct admin *a, int argc, char **argv);
int certificate_install(struct admin *a, int argc, char **argv); /* certificate_install.c */
int dns_command(struct admin *a, int argc, char **argv); /* dns.c */
int complete_command(struct admin *a, int argc, char **argv); /* complete.c */

/* --- terminal.c --- */
/* "postern: " and a line on standard error; returns `status`, so that `return complain(EX_..., ...)` reads
 * well. What %s brings in is made harmless. */
int complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Text from tables or mail on standard output: control bytes and what isn't UTF-8 come as \xNN, on a terminal
 * and elsewhere (a name may not break a line for awk either). */
void say_text(struct span text);
/* The same for a column: blanks are escaped too. */
void say_word(struct span text);
/* What they say, into `to`. */
void text_escape(struct span text, bool word, struct bytes *to);
/* What text_escape() made, on standard output: cut to so many columns, with ~ at the end then, or filled up
 * with blanks. */
void say_cut(struct span text, size_t width, bool fill);
/* The length of the harmless UTF-8 character that the text begins with; 0: it is none. */
size_t text_character(struct span text);
/* The columns of the terminal that standard output is; 0: it is none. */
size_t terminal_width(void);
/* May output have colour: a terminal, not a dumb one, and no NO_COLOR? May standard error have a line that is
 * drawn over itself? */
bool terminal_colour(void);
bool terminal_progress(void);
/* A password from a terminal (twice, without echo) or one line of standard input. False after saying why. */
bool read_password(const char *whose, struct bytes *password);

/* --- json.c --- */
/* A text as JSON has it, on standard output; what isn't UTF-8 in it as U+FFFD. */
void json_string(struct span text);
/* `before`, and a name with its text; one whose p is NULL is null. */
void json_pair(const char *before, const char *name, struct span value);
/* The same with a list of the words that are parted by blanks or commas. */
void json_words(const char *before, const char *name, struct span words);
/* An object of texts on a line of its own. */
struct json_member {
    const char *name;
    struct span value;
};
void json_line(const struct json_member *members, size_t count);

/* --- edit.c --- */
/* Takes the lock of the tables (other commands wait for it). EX_OK, or complains. */
int edit_lock(struct admin *a);
void edit_unlock(struct admin *a);
/* A table's text; empty if there is no file. EX_OK, or complains. */
int edit_read(struct admin *a, enum table_name name, struct bytes *text);
/* Checks, replaces and compiles. EX_OK, or complains and has changed nothing. */
int edit_write(struct admin *a, enum table_name name, const struct bytes *text);
/* Compiles every table from its text. EX_OK, or complains. */
int edit_compile_all(struct admin *a);
/* The span of the line (with its LF) whose address, or domain, is `canonical`; false if there is none. Not
 * for aliases. */
bool edit_find(struct admin *a, enum table_name name, const struct bytes *text, const char *canonical,
               struct span *line);
/* What the table of domains says of this one, in canonical form. EX_OK, or complains; *there: it has an entry,
 * and *e is that. */
int edit_domain(struct admin *a, struct span domain, bool *there, struct domain_entry *e);
/* Appends a line (giving the one before its LF, if it has none). */
void edit_append(struct bytes *text, const char *line);
/* Replaces `part`, a span of text, by `with`. */
void edit_replace(struct bytes *text, struct span part, struct span with);
/* The next line of a table that says something, trimmed. */
bool edit_next(struct span *rest, struct span *line);
/* The first domain, from the text. "" if there is none. */
int edit_first_domain(struct admin *a, struct bytes *domain);
/* An argument as canonical address; complains if it is none. */
int edit_address(struct admin *a, const char *text, struct address *address);

/* --- certificate.c --- */
/* A self-signed ECDSA P-256 certificate and key for hostname, in files that don't exist yet (0644, 0600). */
enum status certificate_make(const char *hostname, const char *certificate_file, const char *key_file,
                             struct bytes *error);

/* --- dkim.c --- */
/* A domain's first pair of keys, where it has none. Lock held. EX_OK, or complains. */
int dkim_make_first(struct admin *a, const char *domain, bool *made);

/* --- user_secret.c --- */
/* Says how many secrets have no SCRAM verifier, where it is offered and there are such. */
void user_warn_scram(struct admin *a);

/* --- alias.c --- */
/* Adds `name: target` for each of postmaster, abuse, hostmaster and root that has no alias yet. Lock held. */
int alias_make_standard(struct admin *a, const char *target);
/* How many there are, in sendmail's words, on standard output. */
void alias_say_count(struct admin *a);
/* Warns if aliases keep mail from a new account. */
void alias_warn_account(struct admin *a, const struct address *account);

#endif
