// A Raspberry Pi Pico in a box: a program that is a board with its USB console and its UART 0 on
// TCP ports of this machine, and hands that reset it and pull its cable.
//
//   node box.mjs --modules DIR --image FILE.uf2 --rom FILE [--files FILE] [--console PORT] [--uart PORT]
//
// Tells what happens as JSON lines on standard output. Does what lines on standard input say:
// reset, unplug, plug, status, stop; and stops when its input ends.

import fs from 'node:fs';
import net from 'node:net';
import readline from 'node:readline';
import { parseArgs } from 'node:util';
import { Board, FILES_BYTES, parseUf2, patchBootRom, useModules } from './board.mjs';

const TICK_NS = 1e6;
const SLICE_MS = 5;
// How much the board may run faster than the wall after it was held up; more is forgiven.
const MAX_DEBT_MS = 20;
const MAX_BACKLOG_BYTES = 64 * 1024;

const { values: options } = parseArgs({
  options: Object.fromEntries(
    ['modules', 'image', 'rom', 'files', 'console', 'uart'].map((name) => [name, { type: 'string' }]),
  ),
});

// rp2040js warns of the second core's registers, which it has not, at every soft reset.
console.warn = () => {};

const tell = (event, fields = {}) => process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);

// A listening TCP port: all who connect hear what the board says and may speak to it.
class Outlet {
  constructor(port, onData, backlog) {
    this._sockets = new Set();
    this._backlog = backlog;
    this._isPlugged = true;
    this.server = net.createServer({ noDelay: true }, (socket) => {
      socket.on('error', () => {});
      if (!this._isPlugged) {
        socket.destroy();
        return;
      }
      this._sockets.add(socket);
      socket.on('close', () => this._sockets.delete(socket));
      socket.on('data', (data) => {
        onData(data);
        if (backlog() > MAX_BACKLOG_BYTES) socket.pause();
      });
    });
    this.server.listen(Number(port ?? 0), '127.0.0.1');
  }

  get port() { return this.server.address().port; }

  // Send to everybody; who does not read loses what is said, as a tty would.
  write(bytes) {
    for (const socket of this._sockets) {
      if (socket.writableLength < MAX_BACKLOG_BYTES) socket.write(bytes);
    }
  }

  resume() {
    if (this._backlog() > MAX_BACKLOG_BYTES) return;
    for (const socket of this._sockets) if (socket.isPaused()) socket.resume();
  }

  unplug() {
    this._isPlugged = false;
    for (const socket of this._sockets) socket.destroy();
  }

  plug() { this._isPlugged = true; }
}

// The file system's octets, which outlive the board: in a file, if there is one, at every write.
class Files {
  constructor(path) {
    this.bytes = new Uint8Array(FILES_BYTES).fill(0xff);
    if (path === undefined) return;
    this._fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o644);
    const size = fs.fstatSync(this._fd).size;
    if (size === 0) fs.writeSync(this._fd, this.bytes, 0, FILES_BYTES, 0);
    else if (size === FILES_BYTES) fs.readSync(this._fd, this.bytes, 0, FILES_BYTES, 0);
    else throw new Error(`${path} has ${size} octets; a file system of this board has ${FILES_BYTES}`);
  }

  wrote(offset, length) {
    if (this._fd !== undefined) fs.writeSync(this._fd, this.bytes, offset, length, offset);
  }
}

useModules(options.modules);
const rom = patchBootRom(fs.readFileSync(options.rom));
const image = parseUf2(fs.readFileSync(options.image));
const files = new Files(options.files);
let board = null;
// Wall and board clock, in ms, at a moment when they were in step, as far as is forgiven.
let wallMs = 0;
let boardMs = 0;
let timer = null;

const consoleOutlet = new Outlet(options.console, (data) => board?.toConsole(data),
  () => board?.consoleBacklog ?? 0);
const uartOutlet = new Outlet(options.uart, (data) => board?.toUart(0, data),
  () => board?.uartBacklog(0) ?? 0);

function boot(kept = null) {
  const since = performance.now();
  board = new Board(rom, image, files.bytes, kept, {
    console: (bytes) => consoleOutlet.write(bytes),
    uart: (number, bytes) => { if (number === 0) uartOutlet.write(bytes); },
    up: () => tell('up', { after_ms: Math.round(performance.now() - since) }),
    wrote: (offset, length) => files.wrote(offset, length),
  });
  const { clock } = board;
  [wallMs, boardMs] = [since, 0];
  // The board never runs ahead of the wall: it is looked at every millisecond of its own clock.
  const mine = board;
  const tick = clock.createAlarm(() => {
    const ahead = aheadMs();
    if (ahead > 0) mine.pause();
    else if (ahead < -MAX_DEBT_MS) boardMs += ahead + MAX_DEBT_MS;
    tick.schedule(TICK_NS);
  });
  tick.schedule(TICK_NS);
  go();
}

const aheadMs = () => board.clock.nanos / 1e6 - boardMs - (performance.now() - wallMs);

function go() {
  clearTimeout(timer);
  clearImmediate(timer);
  const start = performance.now();
  board.run(() => performance.now() - start > SLICE_MS);
  consoleOutlet.resume();
  uartOutlet.resume();
  if (board.ended === 'halted') {
    tell('halted', { why: board.why });
  } else if (board.ended !== null) {
    tell('reset', { cause: board.ended });
    timer = setImmediate(boot, board.kept);
  } else {
    const ahead = aheadMs();
    timer = ahead > 0 ? setTimeout(go, ahead) : setImmediate(go);
  }
}

function off() {
  clearTimeout(timer);
  clearImmediate(timer);
  board = null;
  consoleOutlet.resume();
  uartOutlet.resume();
}

const hands = {
  reset() {
    if (board === null) return;
    off();
    tell('reset', { cause: 'command' });
    boot();
  },
  unplug() {
    off();
    consoleOutlet.unplug();
    tell('unplugged');
  },
  plug() {
    if (board !== null) return;
    consoleOutlet.plug();
    tell('plugged');
    boot();
  },
  status() {
    tell('status', {
      powered: board !== null,
      board_ms: board === null ? 0 : Math.round(board.clock.nanos / 1e6),
      uart_overruns: board?.uartOverruns ?? 0,
    });
  },
  stop() { process.exit(0); },
};

const lines = readline.createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const hand = hands[line.trim()];
  if (hand) hand();
  else tell('unknown', { line, known: Object.keys(hands) });
});
lines.on('close', () => process.exit(0));
process.on('SIGTERM', () => process.exit(0));
process.on('SIGINT', () => process.exit(0));

await Promise.all([consoleOutlet, uartOutlet].map((outlet) => new Promise((resolve, reject) => {
  outlet.server.on('listening', resolve);
  outlet.server.on('error', reject);
})));
tell('listening', { console: consoleOutlet.port, uart: uartOutlet.port });
boot();
