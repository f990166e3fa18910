/* SPDX-License-Identifier: Apache-2.0
 *
 * wanlink: a WAN line between two network namespaces, in user space.
 *
 * The kernels that labs run on often lack netem, so two TUN devices are
 * joined by this program: each packet is held for the one-way delay plus the
 * time its bytes take at the line's rate, may be lost, and is dropped when
 * the line is cut or its buffer is full.
 *
 * TCP hands over up to 64 KiB at once, as to a network card that makes packets
 * of it by itself: a call for each 1500 bytes would take most of a core at
 * 1 Gbit/s, which the programs that use the line need. The line carries and
 * counts them as the packets that they would be. With loss, and below
 * 400 Mbit/s, they are cut up before they come here.
 *
 *   wanlink NS_A IF_A NS_B IF_B ONE_WAY_US RATE_KBIT SOCKET
 *
 * RATE_KBIT 0 means no limit. SOCKET is a unix datagram socket that takes one
 * of "delay US", "rate KBIT", "loss FRACTION", "cut", "heal", "stat" and
 * answers each with one line of key=value counters.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { RING = 1 << 16, BURST = 64, HEADER = sizeof(struct virtio_net_hdr),
       MAX_PACKET = 65536 + HEADER,
       /* 64 KiB take 1.3 ms. */
       FAST_KBIT = 400000 };
static const uint64_t SECOND = 1000000000ull;
/* A router's buffer: enough for 1 Gbit/s and 100 ms. */
static const uint64_t MAX_QUEUED = 16u << 20;

/* What was handed over at once; with its header of virtio. */
struct packet {
    uint64_t due;
    uint32_t length, carried, count;
    uint8_t *data;
};

struct lane {
    const char *name;
    int in, out;
    struct packet ring[RING];
    uint32_t head, tail;
    uint64_t line_free_at, queued;
    uint64_t packets, bytes, dropped;
};

static struct {
    uint64_t delay_ns, rate_kbit;
    double loss;
    int is_cut;
} line;

static struct lane lanes[2] = {{.name = "ab"}, {.name = "ba"}};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + t.tv_nsec;
}

static int tun_in(const char *namespace, const char *device)
{
    char path[256];
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
    int ns, fd;

    snprintf(path, sizeof path, "/run/netns/%s", namespace);
    if ((ns = open(path, O_RDONLY | O_CLOEXEC)) < 0 || setns(ns, CLONE_NEWNET))
        die(path);
    close(ns);
    strncpy(request.ifr_name, device, IFNAMSIZ - 1);
    fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request))
        die("/dev/net/tun");
    return fd;
}

/* A slow line would hand over 64 KiB at once that belong to a long time. */
static void offload(void)
{
    int is_slow = line.rate_kbit && line.rate_kbit < FAST_KBIT;
    unsigned int what = line.loss > 0 || is_slow
                        ? 0 : TUN_F_CSUM | TUN_F_TSO4;

    for (int i = 0; i < 2; i++)
        if (ioctl(lanes[i].in, TUNSETOFFLOAD, what))
            die("TUNSETOFFLOAD");
}

/* Count the packets that it would be, and the bytes that these have. */
static void measure(struct packet *packet)
{
    const struct virtio_net_hdr *header = (const void *)packet->data;
    const uint8_t *ip = packet->data + HEADER;
    uint32_t length = packet->length - HEADER, headers;

    packet->count = 1;
    packet->carried = length;
    if (header->gso_type == VIRTIO_NET_HDR_GSO_NONE || !header->gso_size
        || length < 40)
        return;
    headers = (ip[0] & 15) * 4;
    if (headers + 13 > length)
        return;
    headers += (ip[headers + 12] >> 4) * 4;
    if (headers >= length)
        return;
    packet->count = (length - headers + header->gso_size - 1)
                    / header->gso_size;
    packet->carried += (packet->count - 1) * headers;
}

/* Take what the sender has written; it is due when the line has carried it. */
static void receive(struct lane *lane)
{
    static uint8_t buffer[MAX_PACKET];

    for (int i = 0; i < BURST; i++) {
        ssize_t length = read(lane->in, buffer, sizeof buffer);
        struct packet packet = {.length = length, .data = buffer}, *slot;
        uint64_t t = now();

        if (length <= HEADER)
            return;
        measure(&packet);
        if (line.is_cut || (line.loss > 0 && drand48() < line.loss)
            || lane->tail - lane->head >= RING
            || lane->queued + packet.carried > MAX_QUEUED
            || !(packet.data = malloc(length))) {
            lane->dropped += packet.count;
            continue;
        }
        memcpy(packet.data, buffer, length);
        if (lane->line_free_at < t)
            lane->line_free_at = t;
        if (line.rate_kbit)
            lane->line_free_at += packet.carried * 8ull * 1000000
                                  / line.rate_kbit;
        packet.due = lane->line_free_at + line.delay_ns;
        slot = &lane->ring[lane->tail % RING];
        *slot = packet;
        lane->queued += packet.carried;
        lane->tail++;
    }
}

/* Hand over what is due; return when the next packet is, at most 1 s away. */
static uint64_t deliver(struct lane *lane, uint64_t t)
{
    while (lane->head != lane->tail) {
        struct packet *slot = &lane->ring[lane->head % RING];

        if (slot->due > t)
            return slot->due < t + SECOND ? slot->due : t + SECOND;
        if (line.is_cut || write(lane->out, slot->data, slot->length) < 0) {
            lane->dropped += slot->count;
        } else {
            lane->packets += slot->count;
            lane->bytes += slot->carried;
        }
        lane->queued -= slot->carried;
        free(slot->data);
        lane->head++;
    }
    return t + SECOND;
}

static void obey(int control)
{
    char text[128], answer[512];
    struct sockaddr_un peer;
    socklen_t size = sizeof peer;
    unsigned long long number;
    double fraction;
    int length = recvfrom(control, text, sizeof text - 1, 0,
                          (struct sockaddr *)&peer, &size);

    if (length <= 0)
        return;
    text[length] = 0;
    if (sscanf(text, "delay %llu", &number) == 1)
        line.delay_ns = number * 1000;
    else if (sscanf(text, "rate %llu", &number) == 1) {
        line.rate_kbit = number;
        offload();
    } else if (sscanf(text, "loss %lf", &fraction) == 1) {
        line.loss = fraction;
        offload();
    } else if (!strcmp(text, "cut"))
        line.is_cut = 1;
    else if (!strcmp(text, "heal"))
        line.is_cut = 0;
    length = snprintf(answer, sizeof answer, "cut=%d delay_us=%llu "
                      "rate_kbit=%llu loss=%g", line.is_cut,
                      (unsigned long long)line.delay_ns / 1000,
                      (unsigned long long)line.rate_kbit, line.loss);
    for (int i = 0; i < 2; i++)
        length += snprintf(answer + length, sizeof answer - length,
                           " %s_packets=%llu %s_bytes=%llu %s_dropped=%llu",
                           lanes[i].name, (unsigned long long)lanes[i].packets,
                           lanes[i].name, (unsigned long long)lanes[i].bytes,
                           lanes[i].name, (unsigned long long)lanes[i].dropped);
    if (size > sizeof(sa_family_t))
        sendto(control, answer, length, MSG_DONTWAIT,
               (struct sockaddr *)&peer, size);
}

static int control_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        die(path);
    }
    strcpy(address.sun_path, path);
    unlink(path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address))
        die(path);
    return fd;
}

int main(int argc, char **argv)
{
    int a, b, control;

    if (argc != 8) {
        fprintf(stderr, "usage: wanlink NS_A IF_A NS_B IF_B ONE_WAY_US "
                        "RATE_KBIT SOCKET\n");
        return 2;
    }
    /* Without it timers are late by 50 us and more. */
    prctl(PR_SET_TIMERSLACK, 1000ul, 0, 0, 0);
    control = control_at(argv[7]);
    a = tun_in(argv[1], argv[2]);
    b = tun_in(argv[3], argv[4]);
    lanes[0].in = lanes[1].out = a;
    lanes[1].in = lanes[0].out = b;
    line.delay_ns = strtoull(argv[5], NULL, 10) * 1000;
    line.rate_kbit = strtoull(argv[6], NULL, 10);
    offload();
    for (;;) {
        uint64_t t = now(), first = deliver(&lanes[0], t);
        uint64_t second = deliver(&lanes[1], t);
        uint64_t next = first < second ? first : second, wait;
        struct pollfd files[3] = {{a, POLLIN, 0}, {b, POLLIN, 0},
                                  {control, POLLIN, 0}};
        struct timespec limit;

        t = now();
        wait = next > t ? next - t : 0;
        limit.tv_sec = wait / SECOND;
        limit.tv_nsec = wait % SECOND;
        if (ppoll(files, 3, &limit, NULL) < 0 && errno != EINTR)
            die("ppoll");
        if (files[0].revents & POLLIN)
            receive(&lanes[0]);
        if (files[1].revents & POLLIN)
            receive(&lanes[1]);
        if (files[2].revents & POLLIN)
            obey(control);
    }
}
