/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * inetd cold|warm|systemd PORT PROGRAM [ARGUMENT...]: the smallest thing that can start a handler on a
 * loopback port, so that a measurement shows the handler and not its starter.
 *
 * cold: accepts, and starts PROGRAM with each connection as fd 0 and 1. warm: starts PROGRAM with the
 * listening socket as fd 0, again whenever it has ended and somebody connects. systemd: lets
 * systemd-socket-activate do that, once. On SIGTERM it ends what it started and prints the CPU seconds of all
 * of it, children of children included.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKLOG 1024

static volatile sig_atomic_t ended;

static void on_term(int signal_number)
{
    ended = signal_number;
}

static void on_child(int signal_number)
{
    (void)signal_number; /* only to interrupt a wait */
}

static void catch_signal(int number, void (*handler)(int))
{
    struct sigaction action = { .sa_handler = handler };
    sigaction(number, &action, NULL);
}

static int listen_on(const char *port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)atoi(port)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, BACKLOG) < 0) {
        perror("inetd: listen");
        exit(1);
    }
    return fd;
}

static pid_t start(int fd, bool both, char **command)
{
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGTERM, SIG_DFL);
        signal(SIGCHLD, SIG_DFL);
        dup2(fd, 0);
        if (both)
            dup2(fd, 1);
        for (int other = 3; other < 10; other++)
            close(other);
        execvp(command[0], command);
        perror(command[0]);
        _exit(127);
    }
    return pid;
}

static void run_cold(int listening, char **command)
{
    while (!ended) {
        int one = 1, fd = accept(listening, NULL, NULL);
        if (fd >= 0) {
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            start(fd, true, command);
            close(fd);
        }
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    }
}

static void run_warm(int listening, char **command)
{
    struct pollfd wait_for = { .fd = listening, .events = POLLIN };
    pid_t server = 0;
    while (!ended) {
        pid_t gone;
        if (!server && poll(&wait_for, 1, 1000) > 0)
            server = start(listening, false, command);
        else if (server && (gone = waitpid(-1, NULL, 0)) == server)
            server = 0;
    }
}

static void run_systemd(const char *port, int count, char **command)
{
    char address[64], **whole = calloc((size_t)count + 4, sizeof *whole);
    snprintf(address, sizeof address, "127.0.0.1:%s", port);
    memcpy(whole, (char *[]){ "systemd-socket-activate", "-l", address }, 3 * sizeof *whole);
    memcpy(whole + 3, command, (size_t)count * sizeof *whole);
    pid_t server = start(0, false, whole);
    while (!ended && waitpid(-1, NULL, 0) != server)
        ;
    free(whole);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 64;
    catch_signal(SIGTERM, on_term);
    catch_signal(SIGCHLD, on_child);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    setpgid(0, 0);
    if (strcmp(argv[1], "cold") == 0)
        run_cold(listen_on(argv[2]), argv + 3);
    else if (strcmp(argv[1], "warm") == 0)
        run_warm(listen_on(argv[2]), argv + 3);
    else
        run_systemd(argv[2], argc - 3, argv + 3);

    struct rusage used;
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    while (wait(NULL) > 0 || errno == EINTR)
        ;
    getrusage(RUSAGE_CHILDREN, &used);
    printf("%ld.%06ld\n",
           (long)(used.ru_utime.tv_sec + used.ru_stime.tv_sec +
                  (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000000),
           (long)((used.ru_utime.tv_usec + used.ru_stime.tv_usec) % 1000000));
    return 0;
}
