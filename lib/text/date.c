/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Dates of messages and of IMAP; see date.h. The Gregorian calendar is computed here: time zone files can't
 * be opened in a sandbox. Years run from 0 to 9999; what we are told to write outside of that is
 * moved to the nearest day inside, since both formats have four digits.
 */
#include "text/date.h"
#include "text/lexical.h"

#include <string.h>

#define DAY 86400
#define FIRST_SECOND (-62167219200LL) /* 0000-01-01 00:00:00 */
#define LAST_SECOND 253402300799LL    /* 9999-12-31 23:59:59 */
#define NUMBER_DIGITS 9               /* of a number in a date */

static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
static const char weekdays[7][4] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };

static const struct {
    char name[4];
    int minutes;
} zones[] = {
    { "UT", 0 },     { "UTC", 0 },    { "GMT", 0 },    { "Z", 0 },      { "EST", -300 }, { "EDT", -240 },
    { "CST", -360 }, { "CDT", -300 }, { "MST", -420 }, { "MDT", -360 }, { "PST", -480 }, { "PDT", -420 },
};

struct civil {
    int64_t year;
    int month, day, hour, minute, second; /* month and day from 1 */
};

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int month_days(int64_t year, int month)
{
    static const int days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 1970-01-01 to the first of January of a year from 0 on. */
static int64_t year_start(int64_t year)
{
    int64_t leaps = year > 0 ? (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 + 1 : 0;
    return year * 365 + leaps - 719528;
}

static int64_t seconds_of(const struct civil *c)
{
    int64_t days = year_start(c->year) + c->day - 1;
    for (int month = 1; month < c->month; month++)
        days += month_days(c->year, month);
    return days * DAY + c->hour * 3600 + c->minute * 60 + c->second;
}

/* The weekday as an index of `weekdays` comes with it. */
static struct civil civil_of(int64_t seconds, int *weekday)
{
    seconds = seconds < FIRST_SECOND ? FIRST_SECOND : seconds > LAST_SECOND ? LAST_SECOND : seconds;
    int64_t days = seconds / DAY, second = seconds % DAY;
    if (second < 0)
        days--, second += DAY;
    struct civil c = { .year = 1970 + days / 366, .month = 1 };
    if (days < 0)
        c.year = 1970 + days / 365 - 1;
    if (c.year < 0)
        c.year = 0;
    while (year_start(c.year + 1) <= days)
        c.year++;
    int day = (int)(days - year_start(c.year));
    while (day >= month_days(c.year, c.month))
        day -= month_days(c.year, c.month++);
    c.day = day + 1;
    c.hour = (int)(second / 3600);
    c.minute = (int)(second / 60 % 60);
    c.second = (int)(second % 60);
    *weekday = (int)((days % 7 + 7) % 7);
    return c;
}

bool date_write(int64_t seconds, struct bytes *out)
{
    int weekday;
    struct civil c = civil_of(seconds, &weekday);
    return bytes_printf(out, "%s, %d %s %04d %02d:%02d:%02d +0000", weekdays[weekday], c.day,
                        months[c.month - 1], (int)c.year, c.hour, c.minute, c.second);
}

bool date_write_imap(int64_t seconds, struct bytes *out)
{
    int weekday;
    struct civil c = civil_of(seconds, &weekday);
    return bytes_printf(out, "\"%02d-%s-%04d %02d:%02d:%02d +0000\"", c.day, months[c.month - 1], (int)c.year,
                        c.hour, c.minute, c.second);
}

/* A number at *rest; how many digits it had, 0 if there is none or it is too long. */
static size_t take_number(struct span *rest, int *value)
{
    size_t n = 0;
    int v = 0;
    while (n < rest->n && ascii_digit(rest->p[n])) {
        if (n == NUMBER_DIGITS)
            return 0;
        v = v * 10 + (rest->p[n++] - '0');
    }
    *rest = span_from(*rest, n);
    *value = v;
    return n;
}

static struct span take_letters(struct span *rest)
{
    size_t n = 0;
    while (n < rest->n && ascii_alpha(rest->p[n]))
        n++;
    struct span letters = span_head(*rest, n);
    *rest = span_from(*rest, n);
    return letters;
}

static bool take_char(struct span *rest, char c)
{
    if (rest->n == 0 || rest->p[0] != c)
        return false;
    *rest = span_from(*rest, 1);
    return true;
}

/* 1 to 12, or 0. Longer names ("November") count by their first three letters. */
static int month_of(struct span name)
{
    for (int i = 0; i < 12; i++)
        if (span_istarts(name, months[i]))
            return i + 1;
    return 0;
}

static bool is_valid(const struct civil *c)
{
    return c->year >= 0 && c->year <= 9999 && c->month >= 1 && c->month <= 12 && c->day >= 1 &&
           c->day <= month_days(c->year, c->month) && c->hour < 24 && c->minute < 60 && c->second <= 60;
}

/* "+0200" at *rest: the sign has been looked at. */
static bool take_offset(struct span *rest, int *minutes)
{
    int value, sign = rest->p[0] == '-' ? -1 : 1;
    *rest = span_from(*rest, 1);
    if (take_number(rest, &value) != 4 || value % 100 >= 60)
        return false;
    *minutes = sign * (value / 100 * 60 + value % 100);
    return true;
}

/* A zone in any of its forms. Unknown names, military letters and none at all are UTC (RFC 5322 4.3). */
static bool take_zone(struct span *rest, int *minutes)
{
    *minutes = 0;
    if (rest->n && (rest->p[0] == '+' || rest->p[0] == '-'))
        return take_offset(rest, minutes);
    struct span name = take_letters(rest);
    for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++)
        if (span_ieq_str(name, zones[i].name))
            *minutes = zones[i].minutes;
    return true;
}

/* Between the parts of a Date: value stand blanks, comments, and in strange ones dashes and commas. */
static void skip_between(struct span *rest)
{
    do
        *rest = lexical_skip(*rest);
    while (take_char(rest, ',') || take_char(rest, '-'));
}

static bool take_time(struct span *rest, struct civil *c)
{
    *rest = lexical_skip(*rest);
    size_t digits = take_number(rest, &c->hour);
    *rest = lexical_skip(*rest);
    if (digits < 1 || digits > 2 || !take_char(rest, ':'))
        return false;
    *rest = lexical_skip(*rest);
    if (take_number(rest, &c->minute) != 2)
        return false;
    *rest = lexical_skip(*rest);
    if (!take_char(rest, ':'))
        return true;
    *rest = lexical_skip(*rest);
    return take_number(rest, &c->second) == 2;
}

static bool take_year(struct span *rest, struct civil *c)
{
    int year;
    size_t digits = take_number(rest, &year);
    if (digits == 2)
        year += year < 50 ? 2000 : 1900;
    else if (digits == 3)
        year += 1900;
    c->year = year;
    return digits >= 2;
}

bool date_read(struct span text, int64_t *seconds, int *zone_minutes)
{
    struct civil c = { 0 };
    int zone = 0;
    text = lexical_skip(text);
    struct span word = take_letters(&text); /* the weekday; its truth is nobody's concern */
    skip_between(&text);
    if (text.n && !ascii_digit(text.p[0])) { /* asctime: "Fri Nov 21 09:55:06 1997" */
        word = take_letters(&text);
        skip_between(&text);
    }
    bool month_first = (c.month = month_of(word)) != 0;
    if (take_number(&text, &c.day) == 0)
        return false;
    skip_between(&text);
    if (!month_first) {
        c.month = month_of(take_letters(&text));
        skip_between(&text);
    }
    struct span after = text;
    int number;
    bool time_first = month_first && take_number(&after, &number) <= 2 && after.n && after.p[0] == ':';
    if ((!time_first && !take_year(&text, &c)))
        return false;
    if (!take_time(&text, &c))
        return false;
    text = lexical_skip(text);
    if (!take_zone(&text, &zone))
        zone = 0;
    text = lexical_skip(text);
    if ((time_first && !take_year(&text, &c)) || !is_valid(&c))
        return false;
    *seconds = seconds_of(&c) - (int64_t)zone * 60;
    if (zone_minutes)
        *zone_minutes = zone;
    return true;
}

/* "21-Nov-2026" at *rest; `fixed` takes " 1-Nov-2026" too (date-day-fixed). */
static bool take_imap_day(struct span *rest, bool fixed, struct civil *c)
{
    int year;
    bool blank = fixed && take_char(rest, ' ');
    size_t digits = take_number(rest, &c->day);
    if (digits < 1 || digits > 2 || (blank && digits != 1) || !take_char(rest, '-'))
        return false;
    struct span month = take_letters(rest);
    c->month = month.n == 3 ? month_of(month) : 0;
    if (!take_char(rest, '-') || take_number(rest, &year) != 4)
        return false;
    c->year = year;
    return is_valid(c);
}

bool date_read_imap(struct span text, int64_t *seconds)
{
    struct civil c = { 0 };
    int zone;
    if (!take_imap_day(&text, true, &c) || !take_char(&text, ' ') || take_number(&text, &c.hour) != 2 ||
        !take_char(&text, ':') || take_number(&text, &c.minute) != 2 || !take_char(&text, ':') ||
        take_number(&text, &c.second) != 2 || !take_char(&text, ' ') || !is_valid(&c))
        return false;
    if (text.n != 5 || (text.p[0] != '+' && text.p[0] != '-') || !take_offset(&text, &zone))
        return false;
    *seconds = seconds_of(&c) - (int64_t)zone * 60;
    return true;
}

bool date_read_imap_day(struct span text, int64_t *seconds)
{
    struct civil c = { 0 };
    if (!take_imap_day(&text, false, &c) || text.n)
        return false;
    *seconds = seconds_of(&c);
    return true;
}

bool date_write_internet(int64_t seconds, struct bytes *out)
{
    int weekday;
    struct civil c = civil_of(seconds, &weekday);
    return bytes_printf(out, "%04d-%02d-%02dT%02d:%02d:%02dZ", (int)c.year, c.month, c.day, c.hour, c.minute,
                        c.second);
}

/* "Z", "+01:00" or "-00:30", and nothing behind it. */
static bool read_internet_offset(struct span text, int *minutes)
{
    int hour, minute;
    bool minus = text.n && text.p[0] == '-';
    *minutes = 0;
    if (text.n == 1)
        return ascii_lower(text.p[0]) == 'z';
    if (text.n != 6 || (text.p[0] != '+' && !minus))
        return false;
    text = span_from(text, 1);
    if (take_number(&text, &hour) != 2 || !take_char(&text, ':') || take_number(&text, &minute) != 2 ||
        hour > 23 || minute > 59)
        return false;
    *minutes = (minus ? -1 : 1) * (hour * 60 + minute);
    return true;
}

bool date_read_internet(struct span text, int64_t *seconds)
{
    struct civil c = { 0 };
    int zone, year;
    if (take_number(&text, &year) != 4 || !take_char(&text, '-') || take_number(&text, &c.month) != 2 ||
        !take_char(&text, '-') || take_number(&text, &c.day) != 2 || !text.n || ascii_lower(text.p[0]) != 't')
        return false;
    c.year = year;
    text = span_from(text, 1);
    if (take_number(&text, &c.hour) != 2 || !take_char(&text, ':') || take_number(&text, &c.minute) != 2 ||
        !take_char(&text, ':') || take_number(&text, &c.second) != 2 || !is_valid(&c))
        return false;
    if (take_char(&text, '.')) {
        if (!text.n || !ascii_digit(text.p[0]))
            return false;
        while (text.n && ascii_digit(text.p[0]))
            text = span_from(text, 1);
    }
    if (!read_internet_offset(text, &zone))
        return false;
    *seconds = seconds_of(&c) - (int64_t)zone * 60;
    return true;
}
