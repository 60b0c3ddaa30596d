/*
 * Both ends of a conversation over TCP, UDP or SCTP: peer serve PROTOCOL ADDRESS PORT WORDS answers everybody with
 * "WORDS from ADDRESS"; peer ask PROTOCOL ADDRESS PORT [SOURCE-PORT] prints the answer, or fails within two seconds.
 */
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/str.h"

static bool is_udp;

static int open_socket(const char *protocol, const char *address, const char *port, bool is_server)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV }, *a;
	struct timeval limit = { 2, 0 };
	int fd, on = 1, number = streq(protocol, "sctp") ? IPPROTO_SCTP : 0;

	is_udp = streq(protocol, "udp");
	hints.ai_socktype = is_udp ? SOCK_DGRAM : SOCK_STREAM;
	if (getaddrinfo(address, port, &hints, &a) != 0)
		return -1;
	fd = socket(a->ai_family, a->ai_socktype, number);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (is_server)
		return bind(fd, a->ai_addr, a->ai_addrlen) < 0 ? -1 : fd;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return connect(fd, a->ai_addr, a->ai_addrlen) < 0 ? -1 : fd;
}

static void answer(int fd, const char *words, const struct sockaddr_storage *from, socklen_t len)
{
	char host[NI_MAXHOST] = "?", text[NI_MAXHOST + 128];
	int n;

	getnameinfo((const void *)from, len, host, sizeof(host), NULL, 0, NI_NUMERICHOST);
	n = snprintf(text, sizeof(text), "%s from %s\n", words, host);
	if (sendto(fd, text, (size_t)n, 0, is_udp ? (const void *)from : NULL, is_udp ? len : 0) <
	    0)
		perror("peer: answer");
}

static int serve(char **argv)
{
	int fd = open_socket(argv[0], argv[1], argv[2], true), one;
	struct sockaddr_storage from;
	socklen_t len;
	char buf[64];

	if (fd < 0 || (!is_udp && listen(fd, 16) < 0)) {
		perror("peer: listen");
		return 1;
	}
	/* The script waits for this line. */
	puts("ready");
	fflush(stdout);
	for (;;) {
		len = sizeof(from);
		if (is_udp) {
			if (recvfrom(fd, buf, sizeof(buf), 0, (void *)&from, &len) >= 0)
				answer(fd, argv[3], &from, len);
			continue;
		}
		one = accept(fd, (void *)&from, &len);
		if (one >= 0)
			answer(one, argv[3], &from, len);
		close(one);
	}
}

/* A source port of one's own makes two calls the same flow. */
static int bind_source(int argc, char **argv)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV }, *a;
	const char *any = strchr(argv[1], ':') ? "::" : "0.0.0.0";
	int fd;

	is_udp = true;
	hints.ai_socktype = SOCK_DGRAM;
	if (argc < 4 || getaddrinfo(any, argv[3], &hints, &a) != 0)
		return -1;
	fd = socket(a->ai_family, SOCK_DGRAM, 0);
	if (bind(fd, a->ai_addr, a->ai_addrlen) < 0 ||
	    getaddrinfo(argv[1], argv[2], &hints, &a) != 0)
		return -1;
	return connect(fd, a->ai_addr, a->ai_addrlen) < 0 ? -1 : fd;
}

static int ask(int argc, char **argv)
{
	struct timeval limit = { 2, 0 };
	int fd = argc > 3 ? bind_source(argc, argv) : open_socket(argv[0], argv[1], argv[2], false);
	char buf[512];
	ssize_t n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (fd < 0 || (is_udp && send(fd, "?", 1, 0) < 0) ||
	    (n = recv(fd, buf, sizeof(buf), 0)) < 0) {
		perror("peer: ask");
		return 1;
	}
	return fwrite(buf, 1, (size_t)n, stdout) != (size_t)n || n == 0;
}

int main(int argc, char **argv)
{
	if (argc == 6 && streq(argv[1], "serve"))
		return serve(argv + 2);
	if (argc >= 5 && streq(argv[1], "ask"))
		return ask(argc - 2, argv + 2);
	fprintf(stderr,
		"usage: peer serve PROTOCOL ADDRESS PORT WORDS | ask PROTOCOL ADDRESS PORT [SOURCE-PORT]\n");
	return 2;
}
