/* SPDX-License-Identifier: GPL-2.0 */
/* The DSDT: the devices of the board that a guest can't find by itself. The build runs the C preprocessor over it. */
#include "worker/platform.h"

DefinitionBlock ("dsdt.aml", "DSDT", 2, "HUSK", "HUSK", 1)
{
	Name (_S5, Package () { PM_SLP_TYP_S5, PM_SLP_TYP_S5, 0, 0 })

	/* The guest says whether it uses the 8259 pair (0) or the IOAPIC (1). */
	Name (PICM, 0)
	Method (_PIC, 1) { PICM = Arg0 }

	Scope (\_SB)
	{
		Device (PCI0)
		{
			Name (_HID, EisaId ("PNP0A08"))
			Name (_CID, EisaId ("PNP0A03"))
			Name (_UID, 0)
			Name (_BBN, 0)
			Name (_CRS, ResourceTemplate () {
				WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0, 0, 0, 0, 1)
				IO (Decode16, PCI_CONFIG_PORT, PCI_CONFIG_PORT, 1, PCI_CONFIG_PORTS)
				WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
					0, 0x0000, 0x0CF7, 0, 0x0CF8)
				WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
					0, 0x0D00, 0xFFFF, 0, 0xF300)
				DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
					0, PCI_MEMORY_BASE, PCI_MEMORY_LAST, 0, PCI_MEMORY_SIZE)
				DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
					0, PCI_HIGH_BASE, PCI_HIGH_LAST, 0, PCI_HIGH_SIZE)
			})

			/* PCI Firmware 3.0, 4.5.1: the guest may have all that it asks for. */
			Method (_OSC, 4)
			{
				CreateDWordField (Arg3, 0, STAT)
				If (Arg0 != ToUUID ("33db4d5b-1ff7-401c-9657-7441c03dd766")) { STAT |= 4 }
				If (Arg1 != 1) { STAT |= 8 }
				Return (Arg3)
			}

			/* INTA..D of slot s are the inputs (s + pin) % 4 of the bus */
#define PINS(slot, to, a, b, c, d) \
	Package () { slot##FFFF, 0, to(a) }, Package () { slot##FFFF, 1, to(b) }, \
	Package () { slot##FFFF, 2, to(c) }, Package () { slot##FFFF, 3, to(d) }
#define SLOTS(to, s0, s1, s2, s3) \
	PINS (s0, to, 0, 1, 2, 3), PINS (s1, to, 1, 2, 3, 0), PINS (s2, to, 2, 3, 0, 1), PINS (s3, to, 3, 0, 1, 2)
#define ALL_SLOTS(to) \
	SLOTS (to, 0x00, 0x01, 0x02, 0x03), SLOTS (to, 0x04, 0x05, 0x06, 0x07), \
	SLOTS (to, 0x08, 0x09, 0x0A, 0x0B), SLOTS (to, 0x0C, 0x0D, 0x0E, 0x0F), \
	SLOTS (to, 0x10, 0x11, 0x12, 0x13), SLOTS (to, 0x14, 0x15, 0x16, 0x17), \
	SLOTS (to, 0x18, 0x19, 0x1A, 0x1B), SLOTS (to, 0x1C, 0x1D, 0x1E, 0x1F)
#define GSI(n)	0, PCI_GSI + n
#define LINK(n)	LNK##n, 0
			Name (PRTA, Package () { ALL_SLOTS (GSI) })
			Name (PRTP, Package () { ALL_SLOTS (LINK) })
			Method (_PRT, 0)
			{
				If (PICM) { Return (PRTA) }
				Return (PRTP)
			}

			Device (LPC)
			{
				Name (_ADR, 0x001F0000)
				OperationRegion (CONF, PCI_Config, 0x60, 4)
				Field (CONF, ByteAcc, NoLock, Preserve) { PIR0, 8, PIR1, 8, PIR2, 8, PIR3, 8 }

				Device (COM1)
				{
					Name (_HID, EisaId ("PNP0501"))
					Name (_UID, 1)
					Name (_CRS, ResourceTemplate () {
						IO (Decode16, COM1_PORT, COM1_PORT, 1, COM1_PORTS)
						IRQNoFlags () { COM1_IRQ }
					})
				}

				Device (RTC)
				{
					Name (_HID, EisaId ("PNP0B00"))
					Name (_CRS, ResourceTemplate () {
						IO (Decode16, RTC_PORT, RTC_PORT, 1, RTC_PORTS)
						IRQNoFlags () { RTC_IRQ }
					})
				}
			}
		}

		/* An input of the bus to an input of the 8259 pair: register PIRQA..D, 0x80 for none */
#define LINK_DEVICE(n, name, reg) \
		Device (name) { \
			Name (_HID, EisaId ("PNP0C0F")) \
			Name (_UID, n) \
			Name (_PRS, ResourceTemplate () { Interrupt (, Level, ActiveHigh, Shared) { 5, 10, 11 } }) \
			Name (BUF, ResourceTemplate () { Interrupt (, Level, ActiveHigh, Shared) { 0 } }) \
			CreateDWordField (BUF, 5, IRQ) \
			Method (_STA) { If (reg & 0x80) { Return (9) } Return (11) } \
			Method (_DIS) { reg = 0x80 } \
			Method (_CRS, 0, Serialized) { IRQ = reg & 15 Return (BUF) } \
			Method (_SRS, 1) { CreateDWordField (Arg0, 5, NEW) reg = NEW } \
		}
		LINK_DEVICE (0, LNK0, \_SB.PCI0.LPC.PIR0)
		LINK_DEVICE (1, LNK1, \_SB.PCI0.LPC.PIR1)
		LINK_DEVICE (2, LNK2, \_SB.PCI0.LPC.PIR2)
		LINK_DEVICE (3, LNK3, \_SB.PCI0.LPC.PIR3)

		/* The memory-mapped config space is nobody else's. */
		Device (MRES)
		{
			Name (_HID, EisaId ("PNP0C02"))
			Name (_UID, 0)
			Name (_CRS, ResourceTemplate () {
				Memory32Fixed (ReadWrite, PCI_ECAM_BASE, PCI_ECAM_SIZE)
			})
		}
	}
}
