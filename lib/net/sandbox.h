/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a process may still do: seccomp by list, Landlock by path, no new privileges,
 * not dumpable, limits on memory and open files. Compiled once (a warm listener does it before
 * it forks), entered in microseconds.
 *
 * A system call that isn't on the list fails with EPERM. SANDBOX_REQUIRE refuses where
 * Landlock (ABI 2) or seccomp is missing; SANDBOX_TRY goes without what is missing; SANDBOX_NONE is for tests
 * of the sandbox's absence and for sanitizer builds.
 */
#ifndef POSTERN_NET_SANDBOX_H
#define POSTERN_NET_SANDBOX_H

#include "base/settings.h"
#include "base/status.h"

enum sandbox_role {
    SANDBOX_SESSION,  /* read, write, send, receive, poll, memory, time, random, exit on what it has; opens
                         nothing */
    SANDBOX_GUARD,    /* + files below its paths, processes to wait for */
    SANDBOX_MAILBOX,  /* files below its paths, inotify, a further Landlock layer; no links, FIFOs, sockets or
                         devices */
    SANDBOX_RESOLVER, /* + inet sockets: qrun's processes that ask DNS and connect */
    SANDBOX_SCHEDULER, /* qrun: what a guard may, and all that making its children and their further sandboxes
                          takes */
    SANDBOX_WAITING,   /* what guard and mailbox process may, and what it takes to become one and make the
                          other:   for who reads nothing */
    SANDBOX_ROLES,
};

enum sandbox_access {
    SANDBOX_READ = 1,    /* open and list */
    SANDBOX_WRITE = 2,   /* write, create, rename (also between folders), remove */
    SANDBOX_NO_LINK = 4, /* if the path is a symbolic link, nothing: where it leads isn't meant */
};

struct sandbox_path {
    const char *path; /* what isn't there is passed over */
    unsigned access;  /* SANDBOX_READ | SANDBOX_WRITE | SANDBOX_NO_LINK */
};

struct sandbox;

/* The sandbox of a role: makes the Landlock rules of `count` paths. On failure *error says what is
 * missing and what to do. */
enum status sandbox_prepare(enum sandbox_role role, enum sandbox_mode mode, const struct sandbox_path *paths,
                            size_t count, uint64_t memory_limit, struct sandbox **box, struct bytes *error);
/* Compiles its filter, which takes 0.1 to 0.2 ms. For a process that forks more than once, or that couldn't
 * do it later; otherwise sandbox_enter() does it. */
void sandbox_compile(struct sandbox *box);
/* For a process that forks again and again: does once, in advance, what each child that enters the box would
 * do for itself, sandbox_first() included. The filter is compiled in another process, as libseccomp leaves 25
 * pages of memory full of holes, of which each child would have its own copy. */
void sandbox_make_ready(struct sandbox *box);
/* Enters it, for ever. False only where mode is SANDBOX_REQUIRE and the kernel refused: the caller must
 * exit. */
bool sandbox_enter(struct sandbox *box);
/* The same for a process that is about to close all descriptors that it doesn't need, the box's among them:
 * nothing is written to the box, so that no page of it is copied. */
bool sandbox_enter_as_is(const struct sandbox *box);
/* A further Landlock layer for a process that has entered `box` (role SANDBOX_MAILBOX) and knows only now
 * whose mail it serves. False as above. */
bool sandbox_confine(const struct sandbox *box, const struct sandbox_path *paths, size_t count);
/* Closes the descriptor of one that this process won't enter; NULL is allowed. Its filter stays as the parent
 * left it, so that no page of that is copied. */
void sandbox_leave(struct sandbox *box);
void sandbox_free(struct sandbox *box);

/* How a filter looks for a call's number: in one list, or in a tree. When a filter is loaded the kernel runs
 * it for each number there is, which takes a third of the time with a tree. Of some sets of rules libseccomp
 * 2.5.4 makes a wrong tree; for these roles both decide the same, whatever the call
 * (tests/unit/sandbox_program.c). */
enum sandbox_order { SANDBOX_LINEAR = 1, SANDBOX_TREE = 2 };
/* The role's filter as the kernel gets it, to be freed with free(program->filter). False: it can't be
 * made. */
struct sock_fprog;
bool sandbox_program(enum sandbox_role role, enum sandbox_order order, struct sock_fprog *program);

/* Not dumpable and no new privileges: the first thing every program does. */
void sandbox_first(void);

/* As root: becomes the owner of `spool`, with its groups, and checks that there is no way back. ST_PERM, with
 * a line in *error, where that owner is root. Does nothing for anybody else. */
enum status sandbox_drop_root(const char *spool, struct bytes *error);

#endif
