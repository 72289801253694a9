#include "stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_ROOM (4u << 20)         /* one read's worth, shared by all streams; a batch of frames is far smaller */
#define LOOPBACK 0x7f000001u         /* 127.0.0.1 */
#define CONNECTIONS_PER_SOURCE 5000u /* an address has some 28,000 ports, and closed ones rest for a minute */

bool stream_is_open(const struct stream *stream)
{
    return stream->owner != NULL && stream->watched.fd >= 0;
}

void stream_close(struct stream *stream)
{
    if (!stream_is_open(stream))
        return;
    close(stream->watched.fd);
    stream->watched.fd = -1;
    stream->kept_length = 0;
}

static void lose(struct stream *stream)
{
    if (!stream_is_open(stream))
        return;
    stream_close(stream);
    stream->owner->lost(stream);
}

bool stream_write(struct stream *stream, const void *bytes, size_t length)
{
    if (!stream_is_open(stream))
        return false;
    ssize_t written = write(stream->watched.fd, bytes, length);
    if (written == (ssize_t)length)
        return true;
    fprintf(stderr, "stream: wrote %zd of %zu: %s\n", written, length, strerror(errno));
    lose(stream);
    return false;
}

static void keep(struct stream *stream, const char *bytes, size_t length)
{
    if (length > stream->kept_room) {
        stream->kept_room = length * 2;
        stream->kept = realloc(stream->kept, stream->kept_room);
        if (stream->kept == NULL) {
            perror("realloc");
            exit(1);
        }
    }
    memcpy(stream->kept, bytes, length);
    stream->kept_length = length;
}

static void read_some(struct stream *stream)
{
    static char buffer[READ_ROOM];
    size_t length = stream->kept_length;
    if (length == sizeof buffer) {
        fprintf(stderr, "stream: a message of more than %zu bytes\n", sizeof buffer);
        lose(stream);
        return;
    }
    memcpy(buffer, stream->kept, length);
    ssize_t arrived = read(stream->watched.fd, buffer + length, sizeof buffer - length);
    if (arrived < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (arrived <= 0) {
        lose(stream);
        return;
    }
    length += (size_t)arrived;
    stream->kept_length = 0;
    size_t used = stream->owner->received(stream, buffer, length);
    if (stream_is_open(stream) && used < length)
        keep(stream, buffer + used, length - used);
}

static void on_ready(struct watched *watched, uint32_t events)
{
    struct stream *stream = (struct stream *)watched;
    if (stream->connecting) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(watched->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            lose(stream);
            return;
        }
        stream->connecting = false;
        poll_rewatch(watched, EPOLLIN);
        stream->owner->connected(stream);
        return;
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        read_some(stream);
}

void stream_connect(struct stream *stream, const struct stream_owner *owner, unsigned number, int port)
{
    int one = 1;
    struct sockaddr_in source = {.sin_family = AF_INET};
    struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    source.sin_addr.s_addr = htonl(LOOPBACK + 1 + number / CONNECTIONS_PER_SOURCE);
    target.sin_addr.s_addr = htonl(LOOPBACK);

    stream->owner = owner;
    stream->watched.ready = on_ready;
    stream->kept_length = 0;
    stream->connecting = true;
    stream->watched.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (stream->watched.fd < 0) {
        perror("socket");
        exit(1);
    }
    setsockopt(stream->watched.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    /* ip(7): the port is chosen by connect, which knows the target; bind would search for a port that nobody has */
    setsockopt(stream->watched.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(stream->watched.fd, (struct sockaddr *)&source, sizeof source) < 0) {
        perror("bind");
        exit(1);
    }
    if (connect(stream->watched.fd, (struct sockaddr *)&target, sizeof target) < 0 && errno != EINPROGRESS) {
        lose(stream);
        return;
    }
    poll_watch(&stream->watched, EPOLLIN | EPOLLOUT);
}
