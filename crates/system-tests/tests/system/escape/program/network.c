/* Sockets that are more than TCP and UDP, and settings of the network. */
#include "escape.h"
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static void raw(const char *which) {
    if (!strcmp(which, "6")) by_result(socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
    by_result(socket(AF_INET, SOCK_RAW, !strcmp(which, "any") ? IPPROTO_RAW : IPPROTO_ICMP));
}

static void packet(const char *type) { by_result(socket(AF_PACKET, !strcmp(type, "raw") ? SOCK_RAW : SOCK_DGRAM, htons(3))); }

static void family(const char *number) {
    int which = atoi(number);
    by_result(socket(which, which == AF_ALG ? SOCK_SEQPACKET : which == AF_VSOCK ? SOCK_STREAM : SOCK_RAW, which == 15 /* AF_KEY */ ? 2 : 0));
}

static void netlink(const char *protocol) { by_result(socket(AF_NETLINK, SOCK_RAW, atoi(protocol))); }

/* One message with an attribute that is an address, and the kernel's answer to it. */
static void change(int type, const void *body, size_t length, int attribute, const char *address) {
    struct { struct nlmsghdr head; char rest[200]; } message = {.head = {.nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE}};
    memcpy(message.rest, body, length);
    size_t used = NLMSG_ALIGN(length);
    if (address) {
        struct rtattr head = {.rta_len = RTA_LENGTH(4), .rta_type = attribute};
        memcpy(message.rest + used, &head, sizeof head);
        inet_pton(AF_INET, address, message.rest + used + sizeof head);
        used += RTA_SPACE(4);
    }
    message.head.nlmsg_len = NLMSG_LENGTH(0) + used;
    int routes = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    if (routes < 0) is_blocked(errno);
    char answer[1000];
    if (send(routes, &message, message.head.nlmsg_len, 0) < 0 || recv(routes, answer, sizeof answer, 0) < 0) is_blocked(errno);
    struct nlmsgerr *said = NLMSG_DATA((struct nlmsghdr *)answer);
    if (said->error) is_blocked(-said->error);
    is_open("the kernel has done it");
}

static void add_address(const char *address) {
    struct ifaddrmsg body = {.ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = 1};
    change(RTM_NEWADDR, &body, sizeof body, IFA_LOCAL, address);
}

static void add_route(const char *address) {
    struct rtmsg body = {.rtm_family = AF_INET, .rtm_dst_len = 32, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_STATIC, .rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_BLACKHOLE};
    change(RTM_NEWROUTE, &body, sizeof body, RTA_DST, address);
}

static void rename_link(const char *unused) {
    (void)unused;
    struct ifinfomsg body = {.ifi_index = 1, .ifi_change = IFF_PROMISC, .ifi_flags = IFF_PROMISC};
    change(RTM_NEWLINK, &body, sizeof body, 0, NULL);
}

/* The flags that it has: nothing changes, but the kernel asks whether it may. */
static void set_interface(const char *name) {
    struct ifreq request = {0};
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    int any = socket(AF_INET, SOCK_DGRAM, 0);
    if (any < 0 || ioctl(any, SIOCGIFFLAGS, &request)) is_broken("no flags of %s: %m", name);
    by_result(ioctl(any, SIOCSIFFLAGS, &request));
}

static void mark(const char *unused) {
    (void)unused;
    int any = socket(AF_INET, SOCK_DGRAM, 0), value = 1;
    by_result(setsockopt(any, SOL_SOCKET, SO_MARK, &value, sizeof value));
}

static void transparent(const char *unused) {
    (void)unused;
    int any = socket(AF_INET, SOCK_STREAM, 0), value = 1;
    by_result(setsockopt(any, SOL_IP, IP_TRANSPARENT, &value, sizeof value));
}

#define MADE "it is made"
#define DONE "the kernel does it"
const struct attempt network[] = {
    {"raw-icmp", raw, "icmp", "a raw socket for ICMP", MADE, "EPERM", ROOT},
    {"raw-ip", raw, "any", "a raw socket for any packet", MADE, "EPERM", ROOT},
    {"raw-icmp6", raw, "6", "a raw socket of version 6", MADE, "EPERM", ROOT | LACKING},
    {"packet-raw", packet, "raw", "read and forge frames", MADE, "EPERM EAFNOSUPPORT", ROOT | LACKING},
    {"packet-datagram", packet, "datagram", "read and forge packets", MADE, "EPERM EAFNOSUPPORT", ROOT | LACKING},
    {"vsock", family, "40", "a socket to the hypervisor", MADE, "EPERM EAFNOSUPPORT", LACKING},
    {"af-alg", family, "38", "a socket to the kernel's cryptography", MADE, "EPERM EAFNOSUPPORT", LACKING},
    {"af-key", family, "15", "a socket to the kernel's IPsec", MADE, "EPERM EAFNOSUPPORT", LACKING},
    {"netlink-netfilter", netlink, "12", "a socket to the packet filter", MADE, "EPERM EAFNOSUPPORT", LACKING},
    {"netlink-audit", netlink, "9", "a socket to the audit log", MADE, "EPERM EAFNOSUPPORT", LACKING},
    {"netlink-uevent", netlink, "15", "a socket to the news of devices", MADE, "EPERM EAFNOSUPPORT", 0},
    {"netlink-generic", netlink, "16", "a socket to whatever the kernel has", MADE, "EPERM EAFNOSUPPORT", 0},
    {"netlink-sock-diag", netlink, "4", "a socket to the list of sockets", MADE, "EPERM EAFNOSUPPORT", LACKING},
    {"address-add", add_address, "198.51.100.7", "give itself an address", DONE, "EPERM", ROOT},
    {"route-add", add_route, "198.51.100.8", "change its routes", DONE, "EPERM", ROOT},
    {"link-change", rename_link, NULL, "hear everything on a link", DONE, "EPERM", ROOT},
    {"interface-flags", set_interface, "lo", "turn an interface on or off", DONE, "EPERM", ROOT},
    {"socket-mark", mark, NULL, "mark packets, as a router does", DONE, "EPERM", ROOT},
    {"socket-transparent", transparent, NULL, "send from addresses that are not its own", DONE, "EPERM", ROOT},
    {NULL},
};
