-- Runs long enough that compiling does not matter: the interpreter's loop, tables, strings, calls.
local function sieve(n)
  local composite, count = {}, 0
  for i = 2, n do
    if not composite[i] then
      count = count + 1
      for j = i * i, n, i do composite[j] = true end
    end
  end
  return count
end

local function queens(n)
  local columns, up, down, found = {}, {}, {}, 0
  local function place(row)
    if row > n then
      found = found + 1
      return
    end
    for c = 1, n do
      if not (columns[c] or up[row + c] or down[row - c + n]) then
        columns[c], up[row + c], down[row - c + n] = true, true, true
        place(row + 1)
        columns[c], up[row + c], down[row - c + n] = nil, nil, nil
      end
    end
  end
  place(1)
  return found
end

local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end

local function text(n)
  local parts = {}
  for i = 1, n do parts[#parts + 1] = string.format("%d:%s", i, tostring(i * i):reverse()) end
  local joined, hash = table.concat(parts, ","), 0
  for number in joined:gmatch("%d+") do hash = (hash * 31 + #number) % 1000000007 end
  return hash
end

for _ = 1, tonumber(arg[1] or 1) do
  print(sieve(2000000), queens(10), fib(33), text(400000))
end
