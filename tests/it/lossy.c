/* A link that loses packets: lossy PERCENT SEED.
 *
 * Makes the network device "lossy" and says "up". A packet that is sent to the other end of it comes
 * back with its two addresses exchanged: whoever talks to the far address talks to the near one, and
 * everything on the way, there and back, is lost so often.
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    uint64_t luck = strtoull(argv[2], NULL, 10) | 1;
    uint64_t percent = strtoull(argv[1], NULL, 10), passed = 0, lost = 0;
    struct ifreq wanted = {0};
    wanted.ifr_flags = IFF_TUN | IFF_NO_PI;
    strcpy(wanted.ifr_name, "lossy");
    int device = open("/dev/net/tun", O_RDWR);
    if (device < 0 || ioctl(device, TUNSETIFF, &wanted) < 0) {
        perror("lossy: /dev/net/tun");
        return 1;
    }
    puts("up");
    fflush(stdout);
    unsigned char packet[65536], address[4];
    ssize_t length;
    while ((length = read(device, packet, sizeof packet)) > 0) {
        if (packet[0] >> 4 != 4) continue;
        luck ^= luck << 13;
        luck ^= luck >> 7;
        luck ^= luck << 17;
        if (luck % 100 < percent) {
            lost++;
        } else {
            passed++;
            memcpy(address, packet + 12, 4);
            memcpy(packet + 12, packet + 16, 4);
            memcpy(packet + 16, address, 4);
            if (write(device, packet, length) != length) perror("lossy");
        }
        printf("%llu %llu\n", (unsigned long long)passed, (unsigned long long)lost);
        fflush(stdout);
    }
    return 0;
}
