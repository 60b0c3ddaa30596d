#pragma once
/*
 * The names' server: answers containers on sockets that lie in their network namespaces, forwards what it does not know.
 *
 * The client (client.h) makes the sockets and hands them over on a control socket (unix seqpacket): messages of text with
 * descriptors, each answered by "ok" or words of an error.
 *
 *	attach ID	+ a UDP socket and a listening TCP socket; replaces what it had
 *	detach ID	the sockets are closed; after the last one the server ends
 *	has ID		whether it is attached
 *	ping
 *
 * What is known of a container comes from its entry (book.h), read again when it changed. A container has at most
 * DNS_OUTSTANDING questions under way and DNS_CONNECTIONS connections; beyond that new ones are dropped. A forwarded question has
 * an id and a port of its own. One thread; nothing blocks. Not safe after fork.
 */
struct err;

#define DNS_CONTROL_MAX 512
/* Questions of one container and of all that wait for another server's reply. */
#define DNS_OUTSTANDING 128
#define DNS_OUTSTANDING_ALL 2048
#define DNS_CONNECTIONS 16
/* How long one server is waited for, and how often one is asked. */
#define DNS_TRY_MS 2000
#define DNS_TRIES 3
/* A connection without a question, or one that does not take its answer. */
#define DNS_IDLE_MS 10000
/* Short, because containers come and go. */
#define DNS_TTL 5

/*
 * Serves until the last container is detached. `control` is a listening socket, `names` the folder of entries; both are
 * borrowed. 0 or -errno.
 */
int dns_serve(int control, int names, struct err *e);
