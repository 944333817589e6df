// Runs long enough that compiling does not matter: calls, arrays, objects, strings, and a loop at
// the top level.
function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

function sieve(n) {
  const composite = new Uint8Array(n + 1);
  let count = 0;
  for (let i = 2; i <= n; i++) {
    if (composite[i]) continue;
    count++;
    for (let j = i * i; j <= n; j += i) composite[j] = 1;
  }
  return count;
}

class Account {
  constructor() { this.total = 0; }
  add(amount) { this.total = (this.total + amount) % 1000003; return this; }
}

function text(n) {
  let hash = 0;
  for (let i = 0; i < n; i++) {
    const word = "item " + i * i;
    for (let j = 0; j < word.length; j++) hash = (hash * 31 + word.charCodeAt(j)) | 0;
  }
  return hash;
}

const rounds = Number(scriptArgs[1] ?? 1);
let sum = 0;
for (let round = 0; round < rounds; round++) {
  const account = new Account();
  for (let i = 0; i < 500000; i++) account.add(i % 7);
  sum = (sum + fib(28) + sieve(500000) + text(40000) + account.total) % 1000000007;
}
print(sum);
