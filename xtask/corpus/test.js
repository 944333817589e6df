// A bit of everything, with an exit code; a module.
import * as os from "qjs:os";
import * as std from "qjs:std";

class Shape {
  #name;
  constructor(name) { this.#name = name; }
  get area() { return 0; }
  toString() { return `${this.#name} of ${this.area.toFixed(2)}`; }
}
class Circle extends Shape {
  constructor(radius) { super("circle"); this.radius = radius; }
  get area() { return Math.PI * this.radius ** 2; }
}
print(String(new Circle(1.5)), scriptArgs.slice(1).join("|"));

function* primes() {
  const found = [];
  for (let n = 2; ; n++) if (found.every(p => n % p)) { found.push(n); yield n; }
}
const first = [];
for (const p of primes()) { if (p > 200) break; first.push(p); }
print(first.length, first.at(-1), first.reduce((a, b) => a + b));

const words = new Map();
for (const [word] of "the cat and the dog and the bird".matchAll(/\b(?<first>[a-z])\w*/gu))
  words.set(word, (words.get(word) ?? 0) + 1);
print(JSON.stringify([...words].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))));

print((2n ** 200n / 3n).toString(36), BigInt.asIntN(16, 0xffffn), 0.1 + 0.2, 1e21, (255).toString(2));
print(new Float64Array([1.5, -2]).map(x => x * 2), new Uint8Array(new Float32Array([1]).buffer));
print("Grüße, 世界".normalize("NFD").length, [..."a😀b"].length, "abc".padStart(6, "*"));

// Not deep: QuickJS limits its stack to 1 MB, and a frame of its interpreter can have 20 KB when
// optimised bitcode is compiled at -O0 (natively by llc too).
function deep(n) { return n === 0 ? null.x : deep(n - 1) + 1; }
try { deep(8); } catch (error) { print(error.name, error.message, error.stack.split("\n").length); }
try { (function forever() { forever(); })(); } catch (error) { print(error.name); }
let log = "";
label: for (let i = 0; i < 5; i++) {
  try { if (i === 1) continue label; if (i === 3) break label; log += i; }
  finally { log += "f"; }
}
print(log);

const proxy = new Proxy({}, { get: (_, key) => `<${String(key)}>`, has: () => true });
print(proxy.anything, "x" in proxy, Reflect.ownKeys({ b: 1, 2: 1, a: 1, 1: 1 }));
const { a, ...rest } = { a: 1, b: 2, c: 3 };
print(a, rest, [3, 1, 2].toSorted(), structured([1, [2, [3]]]));
function structured(list) { return list.flat(Infinity).map(String); }

let sum = 0;
for (let i = 0; i < 200000; i++) sum = (sum * 31 + i) % 1000003;
print(sum, new Date(0).toISOString(), parseFloat("3.25abc"), Number("0x1f"));

const wait = value => new Promise(resolve => os.setTimeout(() => resolve(value), 1));
const all = await Promise.allSettled([wait(1), Promise.reject(new TypeError("no")), wait(3)]);
print(JSON.stringify(all.map(one => one.value ?? one.reason.message)));
async function* ticks() { for (let i = 0; i < 3; i++) yield wait(i); }
for await (const tick of ticks()) print("tick", tick);
std.exit(7);
