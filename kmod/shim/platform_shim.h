/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What firmware tables, device tree and non-volatile memory know about a device and its machine.
 */
#ifndef BES_PLATFORM_SHIM_H
#define BES_PLATFORM_SHIM_H

#include <linux/types.h>

struct device;
struct gpio_desc;

/* A property of six bytes, or a negative error number. */
int bes_property_address(struct device *dev, const char *name, u8 *address);

/* The nvmem cell "mac-address" of the device, or a negative error number. */
int bes_nvmem_address(struct device *dev, u8 *address);

/* GPIO lines. In a kernel without gpiolib these are inline functions. */
struct gpio_desc *bes_gpiod_get_input(struct device *dev, const char *name);
struct gpio_desc *bes_gpiod_get_output(struct device *dev, const char *name);
int bes_gpiod_set(struct gpio_desc *line, int value);
void bes_gpiod_put(struct gpio_desc *line);

/* The n-th text that may name this machine and no other, or NULL. */
#define BES_MACHINE_NAMES 4
const char *bes_machine_name(unsigned int n);

#endif
