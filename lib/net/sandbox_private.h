/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of the sandbox share.
 */
#ifndef POSTERN_NET_SANDBOX_PRIVATE_H
#define POSTERN_NET_SANDBOX_PRIVATE_H

#include "net/sandbox.h"

#ifndef __has_feature /* clang's; gcc has a macro instead */
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SANITIZED 1 /* the sanitizer's own calls are allowed too, to report what it finds */
#else
#define SANITIZED 0
#endif

/* --- sandbox_filter.c */
/* sandbox_program() in a process that is made for it, so that the memory in which libseccomp leaves holes
 * isn't ours. */
bool sandbox_program_apart(enum sandbox_role role, struct sock_fprog *program);

#endif
