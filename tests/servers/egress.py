#!/usr/bin/env python3
"""Runs a command in a network of its own, whose only way out ends here, and tells what tried to leave.

Usage: egress.py COMMAND [ARGUMENT...], as root on Linux: `tests/servers/egress.py cargo verify`.

The command has loopback, a default route into a device that answers nothing, and a name server behind it. Prints each
destination that was tried (protocol, address, port, for a name server the name) with the number of packets. Exits with
1 if there was one, else as the command does. What stays on loopback is not looked at.
"""

import collections
import fcntl
import ipaddress
import os
import select
import struct
import subprocess
import sys
import tempfile
import threading

DEVICE = "egress"
SET_DEVICE = 0x400454CA  # TUNSETIFF of linux/if_tun.h
PACKETS_ONLY = 0x0001 | 0x1000  # IFF_TUN | IFF_NO_PI
NAME_SERVER = "192.0.2.53"  # RFC 5737: belongs to nobody
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6"}


def main():
    if sys.argv[1:2] == ["--inside"]:
        return inside(sys.argv[2:])
    if len(sys.argv) < 2 or os.geteuid() != 0:
        print(__doc__, file=sys.stderr)
        return 2
    return subprocess.call(["unshare", "--net", "--mount", sys.executable, __file__, "--inside", *sys.argv[1:]])


def inside(command):
    device = way_out()
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as resolver:
        resolver.write(f"nameserver {NAME_SERVER}\noptions timeout:1 attempts:1\n")
        resolver.flush()
        run("mount", "--bind", resolver.name, os.path.realpath("/etc/resolv.conf"))
        tried = collections.Counter()
        ended, end = os.pipe()
        reader = threading.Thread(target=read, args=(device, ended, tried))
        reader.start()
        status = subprocess.call(command)
        os.close(end)
        reader.join()
    for destination, packets in sorted(tried.items()):
        print(f"egress: {destination}: {packets} packets")
    print(f"egress: {len(tried)} destinations outside loopback were tried; the command ended with {status}")
    return 1 if tried else status


def way_out():
    """A device that takes every packet which is not for loopback; its descriptor."""
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, SET_DEVICE, struct.pack("16sH22x", DEVICE.encode(), PACKETS_ONLY))
    # Without an address of its own making the kernel has nothing to announce there.
    run("sysctl", "-qw", f"net.ipv6.conf.{DEVICE}.addr_gen_mode=1")
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "set", DEVICE, "up")
    run("ip", "address", "add", "192.0.2.1/32", "dev", DEVICE)
    run("ip", "-6", "address", "add", "2001:db8::1/128", "dev", DEVICE, "nodad")
    run("ip", "route", "add", "default", "dev", DEVICE)
    run("ip", "-6", "route", "add", "default", "dev", DEVICE)
    return device


def run(*command):
    subprocess.run(command, check=True)


def read(device, ended, tried):
    """Counts packets by destination until `ended` closes."""
    while True:
        ready, _, _ = select.select([device, ended], [], [])
        if device in ready:
            destination = destination_of(os.read(device, 65536))
            if destination:
                tried[destination] += 1
        elif ended in ready:
            return


def destination_of(packet):
    """Protocol, address and port of an IP packet; nothing for the kernel's own announcements."""
    if packet[0] >> 4 == 4:
        protocol, address, body = packet[9], packet[16:20], packet[(packet[0] & 15) * 4 :]
    else:
        protocol, address, body = packet[6], packet[24:40], packet[40:]
    address = ipaddress.ip_address(address)
    if address.is_multicast and protocol not in (6, 17):
        return None
    text = f"{PROTOCOLS.get(protocol, protocol)} {address}"
    if protocol not in (6, 17) or len(body) < 4:
        return text
    port = struct.unpack(">H", body[2:4])[0]
    return f"{text} port {port}" + (f", the name {name_of(body[20:])}" if port == 53 else "")


def name_of(question):
    """The name that a DNS question (RFC 1035, 4.1.2) asks for."""
    labels = []
    while question and question[0]:
        labels.append(question[1 : 1 + question[0]].decode("ascii", "replace"))
        question = question[1 + question[0] :]
    return ".".join(labels)


if __name__ == "__main__":
    sys.exit(main())
