// SPDX-License-Identifier: GPL-2.0-only
/*
 * What firmware tables, device tree and non-volatile memory know about a device and its machine.
 */
#include <linux/dmi.h>
#include <linux/etherdevice.h>
#include <linux/gpio/consumer.h>
#include <linux/of.h>
#include <linux/of_net.h>
#include <linux/property.h>

#include "platform_shim.h"

int bes_property_address(struct device *dev, const char *name, u8 *address)
{
	return device_property_read_u8_array(dev, name, address, ETH_ALEN);
}

int bes_nvmem_address(struct device *dev, u8 *address)
{
	return of_get_mac_address_nvmem(dev->of_node, address);
}

struct gpio_desc *bes_gpiod_get_input(struct device *dev, const char *name)
{
	return gpiod_get_optional(dev, name, GPIOD_IN);
}

struct gpio_desc *bes_gpiod_get_output(struct device *dev, const char *name)
{
	return gpiod_get_optional(dev, name, GPIOD_OUT_LOW);
}

int bes_gpiod_set(struct gpio_desc *line, int value)
{
	return gpiod_set_value_cansleep(line, value);
}

void bes_gpiod_put(struct gpio_desc *line)
{
	gpiod_put(line);
}

const char *bes_machine_name(unsigned int n)
{
	const char *text = NULL;

	switch (n) {
	case 0:
		if (of_root && !of_property_read_string(of_root, "serial-number", &text))
			return text;
		return NULL;
	case 1:
		return dmi_get_system_info(DMI_PRODUCT_UUID);
	case 2:
		return dmi_get_system_info(DMI_PRODUCT_SERIAL);
	case 3:
		return dmi_get_system_info(DMI_BOARD_SERIAL);
	default:
		return NULL;
	}
}
