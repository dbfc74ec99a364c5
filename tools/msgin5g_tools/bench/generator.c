/*
 * A CoAP load generator for `msgin5g bench`, closed-loop or paced.
 *
 * Each request is a Confirmable POST of a registration. Requests rotate over SOCKETS local ports,
 * so that no Message ID comes twice from one endpoint within EXCHANGE_LIFETIME. Answers are matched
 * by token and must be 2.01 or 2.04 with "result":true. A request without an answer for 1.5 s
 * counts as lost.
 *
 *   generator PORT SLOTS SOCKETS WARM_S RUN_S UES ENTRIES RATE
 *
 * RATE 0: SLOTS requests are outstanding at any time. RATE N: N requests a second, at most SLOTS
 * outstanding, and a latency counts from when the request was due, so that a server which pauses
 * pays for all that came due meanwhile. ENTRIES 0: one REG per request; N: a BREG with N entries.
 * The result is one JSON object.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PAYLOAD = 60000, MAX_EVENTS = 256, LOST_AFTER_MS = 1500, BUCKETS = 4000000 };

struct slot {
    uint64_t sent_ns;
    uint32_t sequence;
    int waiting;
};

static struct slot *slots;
static int *sockets, slot_count, socket_count, entries;
static uint16_t *message_ids;
static uint32_t next_ue, ue_count, *histogram; /* latency in microseconds */
static unsigned char packet[MAX_PAYLOAD + 64];
static int next_socket, *idle, idle_count, rate;
static long sent;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int put_reg(char *out)
{
    int size = sprintf(out,
                       "{\"msgIden\":\"urn:msgin5g:service\",\"msgType\":\"REG\",\"oriAddr\":"
                       "{\"oriAddrType\":\"UE\",\"addr\":\"urn:example:ue:%08u\"},"
                       "\"cliProfile\":{\"triInfo\":{\"ueId\":\"urn:example:dev:%08u\","
                       "\"cliPort\":\"7000\"}}}",
                       next_ue, next_ue);
    next_ue = (next_ue + 1) % ue_count;
    return size;
}

static int put_payload(char *out)
{
    if (!entries)
        return put_reg(out);
    int size = sprintf(out,
                       "{\"msgIden\":\"urn:msgin5g:service\",\"msgType\":\"BREG\",\"oriAddr\":"
                       "{\"oriAddrType\":\"UE\",\"addr\":\"urn:example:gw:1\"},"
                       "\"regReqNum\":%d,\"regReqList\":[",
                       entries);
    for (int i = 0; i < entries; i++) {
        if (i)
            out[size++] = ',';
        size += put_reg(out + size);
    }
    return size + sprintf(out + size, "]}");
}

static void send_request(int number, uint64_t due_ns)
{
    struct slot *slot = &slots[number];
    int via = next_socket;
    next_socket = (next_socket + 1) % socket_count;
    slot->sequence++;
    uint16_t id = message_ids[via]++;
    unsigned char *p = packet;
    *p++ = 0x48; /* version 1, Confirmable, 8-byte token */
    *p++ = 0x02; /* POST */
    *p++ = (unsigned char)(id >> 8);
    *p++ = (unsigned char)id;
    memcpy(p, &number, 4);
    memcpy(p + 4, &slot->sequence, 4);
    p += 8;
    *p++ = 0xb7; /* Uri-Path */
    memcpy(p, "msgin5g", 7);
    p += 7;
    *p++ = 0x11; /* Content-Format */
    *p++ = 50;
    *p++ = 0xff;
    p += put_payload((char *)p);
    slot->sent_ns = due_ns;
    slot->waiting = 1;
    sent++;
    send(sockets[via], packet, (size_t)(p - packet), 0);
}

/* A slot is free again: its next request is due now, or when the pace says so. */
static void reuse_slot(int number)
{
    slots[number].waiting = 0;
    if (rate)
        idle[idle_count++] = number;
    else
        send_request(number, now_ns());
}

static double percentile(uint64_t count, double share)
{
    uint64_t want = (uint64_t)((double)count * share), seen = 0;
    for (int i = 0; i < BUCKETS; i++) {
        seen += histogram[i];
        if (seen > want)
            return i;
    }
    return BUCKETS;
}

int main(int argc, char **argv)
{
    if (argc != 9) {
        fprintf(stderr, "usage: generator PORT SLOTS SOCKETS WARM_S RUN_S UES ENTRIES RATE\n");
        return 2;
    }
    slot_count = atoi(argv[2]);
    socket_count = atoi(argv[3]);
    double warm_s = atof(argv[4]), run_s = atof(argv[5]);
    ue_count = (uint32_t)atoi(argv[6]);
    entries = atoi(argv[7]);
    rate = atoi(argv[8]);
    idle = calloc((size_t)slot_count, sizeof *idle);
    slots = calloc((size_t)slot_count, sizeof *slots);
    sockets = calloc((size_t)socket_count, sizeof *sockets);
    message_ids = calloc((size_t)socket_count, sizeof *message_ids);
    histogram = calloc(BUCKETS, sizeof *histogram);
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int poller = epoll_create1(0), buffer_bytes = 1 << 20;
    srand((unsigned)getpid());
    for (int i = 0; i < socket_count; i++) {
        sockets[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        setsockopt(sockets[i], SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
        if (connect(sockets[i], (struct sockaddr *)&server, sizeof server)) {
            perror("connect");
            return 1;
        }
        message_ids[i] = (uint16_t)rand();
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        epoll_ctl(poller, EPOLL_CTL_ADD, sockets[i], &event);
    }
    uint64_t start = now_ns(), measure = start + (uint64_t)(warm_s * 1e9);
    uint64_t end = measure + (uint64_t)(run_s * 1e9), scanned = start;
    uint64_t done = 0, bad = 0, lost = 0, stray = 0, last = measure, gap = 0, worst = 0;
    long sent_before = 0;
    int measuring = 0;
    static char answer[65536];
    struct epoll_event events[MAX_EVENTS];
    uint64_t due = start, pace_ns = rate ? 1000000000u / (uint64_t)rate : 0;
    for (int i = 0; i < slot_count; i++)
        reuse_slot(i);
    for (uint64_t now = start; now < end; now = now_ns()) {
        if (!measuring && now >= measure) {
            measuring = 1;
            memset(histogram, 0, BUCKETS * sizeof *histogram);
            done = bad = lost = stray = gap = worst = 0;
            last = now;
            sent_before = sent;
        }
        for (; rate && due <= now; due += pace_ns) {
            if (idle_count)
                send_request(idle[--idle_count], due);
            else
                lost++;
        }
        int ready = epoll_wait(poller, events, MAX_EVENTS, rate ? 0 : 20);
        for (int i = 0; i < ready; i++) {
            ssize_t size;
            while ((size = recv(sockets[events[i].data.u32], answer, sizeof answer - 1, 0)) > 0) {
                uint32_t number, sequence;
                if (size < 13 || (answer[0] & 0x0f) != 8) {
                    bad++;
                    continue;
                }
                answer[size] = 0;
                memcpy(&number, answer + 4, 4);
                memcpy(&sequence, answer + 8, 4);
                if (number >= (uint32_t)slot_count || slots[number].sequence != sequence ||
                    !slots[number].waiting) {
                    stray++;
                    continue;
                }
                unsigned char code = (unsigned char)answer[1];
                if ((code != 0x41 && code != 0x44) ||
                    !memmem(answer + 12, (size_t)size - 12, "\"result\":true", 13))
                    bad++;
                uint64_t at = now_ns(), took_us = (at - slots[number].sent_ns) / 1000;
                if (at - last > gap)
                    gap = at - last;
                if (took_us > worst)
                    worst = took_us;
                last = at;
                done++;
                histogram[took_us < BUCKETS ? took_us : BUCKETS - 1]++;
                reuse_slot((int)number);
            }
        }
        if (now - scanned > 200000000u) {
            scanned = now = now_ns(); /* later than every sent_ns */
            for (int i = 0; i < slot_count; i++)
                if (slots[i].waiting && now - slots[i].sent_ns > LOST_AFTER_MS * 1000000ull) {
                    lost++;
                    reuse_slot(i);
                }
        }
    }
    double seconds = (double)(now_ns() - measure) / 1e9;
    printf("{\"requests\":%llu,\"seconds\":%.3f,\"rate\":%.1f,\"sent\":%ld,\"bad\":%llu,"
           "\"lost\":%llu,\"stray\":%llu,\"p50_us\":%.0f,\"p90_us\":%.0f,\"p99_us\":%.0f,"
           "\"p999_us\":%.0f,\"worst_us\":%llu,\"longest_gap_ms\":%.2f}\n",
           (unsigned long long)done, seconds, (double)done / seconds, sent - sent_before,
           (unsigned long long)bad, (unsigned long long)lost, (unsigned long long)stray,
           percentile(done, 0.5), percentile(done, 0.9), percentile(done, 0.99),
           percentile(done, 0.999), (unsigned long long)worst, (double)gap / 1e6);
    return 0;
}
