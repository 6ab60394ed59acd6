/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern doctor: passwords as secrets and masters have them. Those in weak schemes came from elsewhere; they
 * stay until they are set anew, as what checks passwords can't write the tables.
 */
#include "doctor.h"
#include "store/password.h"
#include "store/secrets.h"

#include <sysexits.h>

struct sight {
    unsigned counts[PASSWORD_GOOD + 1];
    char first[PASSWORD_GOOD + 1][128]; /* whose each kind is first met */
};

static void look(struct admin *a, enum table_name name, struct sight *sight)
{
    struct bytes text;
    struct span rest, line, field[SECRETS_FIELDS];
    int result = edit_read(a, name, &text);
    for (rest = span_bytes(&text); result == EX_OK && edit_next(&rest, &line);) {
        secrets_fields(line, field);
        enum password_grade grade = password_grade(field[1]);
        if (sight->counts[grade]++ == 0)
            span_copy(span_head(field[0], sizeof sight->first[0] - 1), sight->first[grade],
                      sizeof sight->first[0]);
    }
    bytes_wipe(&text);
}

void doctor_passwords(struct doctor *d)
{
    static const struct {
        enum password_grade grade;
        enum severity severity;
        const char *text;
    } rows[] = {
        { PASSWORD_UNUSABLE, SEVERITY_ERROR, "can't be checked, so nobody logs in with them" },
        { PASSWORD_PLAIN, SEVERITY_WARNING, "stand there as they are" },
        { PASSWORD_WEAK, SEVERITY_NOTE, "are in schemes in which whoever steals them guesses fast" },
    };
    static const struct {
        enum table_name table;
        const char *todo;
    } tables[] = { { TABLE_SECRETS, "set them anew: postern user passwd" },
                   { TABLE_MASTERS, "set them anew: postern master passwd" } };
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
        struct sight sight = { .counts = { 0 } };
        look(d->a, tables[t].table, &sight);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
            if (sight.counts[rows[i].grade])
                doctor_found_as(d, rows[i].severity, tables[t].todo,
                                "%s: passwords that %s: %u, the first is %s's", tables_word(tables[t].table),
                                rows[i].text, sight.counts[rows[i].grade], sight.first[rows[i].grade]);
    }
}
