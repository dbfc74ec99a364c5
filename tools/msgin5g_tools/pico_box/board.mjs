// One boot of a Raspberry Pi Pico: rp2040js, and what it lacks for MicroPython to be at home.
//
// A board lives from power-on to its reset, loss of power or end; the next boot is a new one, with
// the same flash. Times are nanoseconds of the board's own clock.

import { randomInt } from 'node:crypto';
import { createRequire } from 'node:module';

const FLASH_START = 0x10000000;
// Where MicroPython for RPI_PICO has its file system, in the 2 MB of flash.
export const FILES_START = 0xa0000;
export const FILES_BYTES = 1408 * 1024;

const WATCHDOG = 0x40058;
const RING_OSCILLATOR = 0x40060;
const RANDOM_BIT = 0x1c;
const REASON_TIMER = 1;
const UART_TX_INTERRUPT = 1 << 5;
const BITS_PER_BYTE = 10;
const BREAK_ERASE = 0x40;
const BREAK_PROGRAM = 0x41;
// A host polls a full endpoint again after this.
const USB_RETRY_NS = 200_000;

let rp2040js = null;

// Find rp2040js in a folder in which npm installed it.
export function useModules(folder) {
  rp2040js = createRequire(`${folder}/`)('rp2040js');
}

// Return [[offset in flash, bytes], ...] of a UF2 image; throws Error.
export function parseUf2(file) {
  const blocks = [];
  for (let at = 0; at < file.length; at += 512) {
    if (at + 512 > file.length || file.readUInt32LE(at) !== 0x0a324655
        || file.readUInt32LE(at + 4) !== 0x9e5d5157 || file.readUInt32LE(at + 508) !== 0x0ab16f30) {
      throw new Error(`no UF2 block at octet ${at}`);
    }
    const [address, size] = [file.readUInt32LE(at + 12), file.readUInt32LE(at + 16)];
    blocks.push([address - FLASH_START, file.subarray(at + 32, at + 32 + size)]);
  }
  return blocks;
}

// Return the boot ROM with its two functions that write flash replaced by break points, for
// rp2040js has no flash chip to write to. rom: its 16 kB.
export function patchBootRom(rom) {
  const patched = new Uint32Array(rom.buffer.slice(rom.byteOffset, rom.byteOffset + rom.length));
  const view = new DataView(patched.buffer);
  const breaks = { RE: BREAK_ERASE, RP: BREAK_PROGRAM };
  for (let at = view.getUint16(0x14, true); view.getUint16(at, true) !== 0; at += 4) {
    const name = String.fromCharCode(view.getUint8(at), view.getUint8(at + 1));
    if (name in breaks) {
      view.setUint16(view.getUint16(at + 2, true) & ~1, 0xbe00 | breaks[name], true);
    }
  }
  return patched;
}

// Bytes that wait, as they came: pushed in chunks, taken one by one.
class Bytes {
  constructor() {
    this.length = 0;
    this._chunks = [];
    this._at = 0;
  }

  push(chunk) {
    if (chunk.length) {
      this._chunks.push(chunk);
      this.length += chunk.length;
    }
  }

  shift() {
    const [first] = this._chunks;
    const byte = first[this._at++];
    if (this._at === first.length) {
      this._chunks.shift();
      this._at = 0;
    }
    this.length--;
    return byte;
  }
}

export class Board {
  // rom: of patchBootRom. image: of parseUf2. files: the octets of the file system, which the
  // board writes. kept: what a watchdog reset leaves, of an earlier board's `kept`, or null.
  // on.console(bytes), on.uart(number, bytes): what the board sent. on.up(): its USB console is
  // there. on.wrote(offset, length): it wrote files.
  constructor(rom, image, files, kept, on) {
    this.uartOverruns = 0;
    // Why the board ended: 'machine' (machine.reset()), 'watchdog', 'halted', or null.
    this.ended = null;
    this.why = '';
    this._simulator = new rp2040js.Simulator();
    this.clock = this._simulator.clock;
    const mcu = this._simulator.rp2040;
    this._mcu = mcu;
    mcu.logger = { debug() {}, info() {}, warn() {}, error() {} };
    mcu.loadBootrom(rom);
    for (const [offset, bytes] of image) mcu.flash.set(bytes, offset);
    mcu.flash.set(files, FILES_START);
    mcu.onBreak = (code) => this._break(code, files, on);
    this._watchdog(kept);
    this._random();
    this._console(on);
    this._uarts = [0, 1].map((number) => this._uart(number, on));
    mcu.core.PC = FLASH_START;
  }

  // Run until `isDue()`, asked every 16,384 instructions, or until `pause()` or the end.
  run(isDue) {
    const { clock, _mcu: { core } } = this;
    const cycleNs = 1e9 / this._mcu.clkSys;
    this._paused = this.ended !== null;
    try {
      for (let i = 1; !this._paused; i++) {
        if (core.waiting) clock.tick(clock.nanosToNextAlarm);
        else clock.tick(core.executeInstruction() * cycleNs);
        if ((i & 0x3fff) === 0 && isDue()) break;
      }
    } catch (problem) {
      this._end('halted', problem.message);
    }
  }

  pause() {
    this._paused = true;
  }

  toConsole(chunk) {
    this._consoleIn.push(chunk);
    this._feedConsole();
  }

  toUart(number, chunk) {
    const uart = this._uarts[number];
    uart.waiting.push(chunk);
    if (uart.isIdle && chunk.length) {
      uart.isIdle = false;
      uart.alarm.schedule(uart.byteNs);
    }
  }

  // Bytes that did not reach the board yet.
  get consoleBacklog() { return this._consoleIn.length; }

  uartBacklog(number) { return this._uarts[number].waiting.length; }

  _end(how, why = '') {
    this.ended = how;
    this.why = why;
    this._paused = true;
  }

  // The flash writes of the boot ROM, called with its arguments in the first registers.
  _break(code, files, on) {
    const { core, flash } = this._mcu;
    const [offset, second, count] = core.registers;
    let length;
    if (code === BREAK_ERASE) {
      length = second;
      flash.fill(0xff, offset, offset + length);
    } else if (code === BREAK_PROGRAM) {
      length = count;
      for (let i = 0; i < length; i++) flash[offset + i] &= this._mcu.readUint8(second + i);
    } else {
      this._end('halted', `break point ${code}`);
      return;
    }
    core.PC = core.LR & ~1;
    const start = Math.max(offset, FILES_START);
    const end = Math.min(offset + length, FILES_START + FILES_BYTES);
    if (start < end) {
      files.set(flash.subarray(start, end), start - FILES_START);
      on.wrote(start - FILES_START, end - start);
    }
  }

  // What os.urandom() is made of: in rp2040js every bit is the same.
  _random() {
    const oscillator = this._mcu.peripherals[RING_OSCILLATOR];
    const read = oscillator.readUint32.bind(oscillator);
    oscillator.readUint32 = (offset) => (offset === RANDOM_BIT ? randomInt(2) : read(offset));
  }

  // rp2040js tells of a reset and leaves it to us; the reason and the scratch registers outlive it.
  _watchdog(kept) {
    const watchdog = this._mcu.peripherals[WATCHDOG];
    if (kept) {
      watchdog.reason = kept.reason;
      watchdog.scratchData.set(kept.scratch);
    }
    watchdog.onWatchdogTrigger = () => {
      // Or its alarm is due again at once, and for ever.
      watchdog.alarm.enable = false;
      this.kept = { reason: watchdog.reason, scratch: watchdog.scratchData.slice() };
      this._end(watchdog.reason === REASON_TIMER ? 'watchdog' : 'machine');
    };
  }

  // The host's side of the USB console. rp2040js answers each poll of the board's OUT endpoint with
  // an empty packet, for ever; a host that has nothing to say lets the board sleep.
  _console(on) {
    const usb = this._mcu.usbCtrl;
    const cdc = new rp2040js.USBCDC(usb);
    const read = usb.onEndpointRead;
    let polled = null;
    let isUp = false;
    this._consoleIn = new Bytes();
    usb.onEndpointRead = (endpoint, size) => {
      if (endpoint === cdc.outEndpoint && cdc.txFIFO.empty) polled = [endpoint, size];
      else read(endpoint, size);
    };
    this._feedConsole = () => {
      if (!isUp) return;
      while (this._consoleIn.length && !cdc.txFIFO.full) cdc.sendSerialByte(this._consoleIn.shift());
      if (this._consoleIn.length) retry.schedule(USB_RETRY_NS);
      if (polled && !cdc.txFIFO.empty) {
        const [endpoint, size] = polled;
        polled = null;
        read(endpoint, size);
      }
    };
    const retry = this.clock.createAlarm(this._feedConsole);
    cdc.onSerialData = (bytes) => on.console(Buffer.from(bytes));
    cdc.onDeviceConnected = () => {
      isUp = true;
      on.up();
      this._feedConsole();
    };
  }

  // The far end of a UART: bytes reach the board at its baud rate, and are lost when it did not
  // make room. What it sends arrives at once, for rp2040js has no sender's FIFO.
  _uart(number, on) {
    const uart = this._mcu.uart[number];
    const far = { waiting: new Bytes(), isIdle: true, byteNs: (BITS_PER_BYTE * 1e9) / 115200 };
    far.alarm = this.clock.createAlarm(() => {
      const byte = far.waiting.shift();
      if (uart.enabled && uart.rxFIFO.full) this.uartOverruns++;
      else if (uart.enabled) uart.feedByte(byte);
      if (far.waiting.length) far.alarm.schedule(far.byteNs);
      else far.isIdle = true;
    });
    uart.onBaudRateChange = (baud) => {
      if (baud >= 300 && baud < 1e8) far.byteNs = (BITS_PER_BYTE * 1e9) / baud;
    };
    // rp2040js raises the sender's interrupt for ever, and MicroPython never gets out of it: make
    // it an edge, one for each byte that was sent.
    uart.checkInterrupts = () => {
      this._mcu.setInterrupt(uart.irq, (uart.interruptStatus & uart.interruptMask) !== 0);
    };
    let sent = [];
    uart.onByte = (byte) => {
      uart.interruptStatus |= UART_TX_INTERRUPT;
      uart.checkInterrupts();
      if (sent.push(byte) === 1) {
        setImmediate(() => {
          on.uart(number, Buffer.from(sent));
          sent = [];
        });
      }
    };
    return far;
  }
}
