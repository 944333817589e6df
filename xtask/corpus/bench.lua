-- A small script: a few milliseconds natively. Tables, closures, strings, a sort, an error caught.
local function fib(n)
  if n < 2 then return n end
  return fib(n - 1) + fib(n - 2)
end

local words = {}
for word in ("the quick brown fox jumps over the lazy dog and runs away"):gmatch("%a+") do
  words[#words + 1] = word
end
table.sort(words)
print(table.concat(words, " "))
print(fib(18))

local counts = {}
for _, word in ipairs(words) do
  for i = 1, #word do
    local c = word:sub(i, i)
    counts[c] = (counts[c] or 0) + 1
  end
end
local letters = {}
for c in pairs(counts) do letters[#letters + 1] = c end
table.sort(letters, function(a, b)
  if counts[a] ~= counts[b] then return counts[a] > counts[b] end
  return a < b
end)
for i = 1, 5 do io.write(letters[i], "=", counts[letters[i]], " ") end
io.write("\n")

local ok, message = pcall(function() error({ code = 7 }) end)
print(ok, message.code)
print(string.format("%5.2f %d %s", math.pi, 42, ("x"):rep(3)))
