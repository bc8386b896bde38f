/* Reads 20 registers again and again with libmodbus; prints the CPU time of one transaction in microseconds. */
#include <errno.h>
#include <modbus.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { COUNT = 20, ADDRESS = 100, UNIT = 1 };

static double cpu_us(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return 1e6 * (used.ru_utime.tv_sec + used.ru_stime.tv_sec) + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
}

int main(int argc, char **argv) {
    uint16_t words[COUNT];
    modbus_t *bus;
    long rounds, done;
    double begin;

    if (argc != 4) return 2;
    rounds = atol(argv[3]);
    bus = strcmp(argv[1], "tcp") == 0 ? modbus_new_tcp("127.0.0.1", atoi(argv[2]))
                                      : modbus_new_rtu(argv[2], 115200, 'N', 8, 1);
    if (bus == NULL || modbus_set_slave(bus, UNIT) != 0 || modbus_connect(bus) != 0) {
        fprintf(stderr, "%s\n", modbus_strerror(errno));
        return 1;
    }
    begin = cpu_us();
    for (done = 0; done < rounds; done++) {
        if (modbus_read_registers(bus, ADDRESS, COUNT, words) != COUNT) {
            fprintf(stderr, "%s\n", modbus_strerror(errno));
            return 1;
        }
    }
    printf("%f\n", (cpu_us() - begin) / rounds);
    modbus_close(bus);
    modbus_free(bus);
    return 0;
}
