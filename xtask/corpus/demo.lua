-- The script of `cargo xtask demo`: a word count, a sort and a little arithmetic.
local text = [[
A function is compiled when it is first called, and only then. What the program never calls costs
nothing but an entry in a table. What it calls twice is compiled once.
]]

local counts, words = {}, {}
for word in text:lower():gmatch("%a+") do
  if not counts[word] then words[#words + 1] = word end
  counts[word] = (counts[word] or 0) + 1
end
table.sort(words, function(a, b)
  if counts[a] ~= counts[b] then return counts[a] > counts[b] end
  return a < b
end)
for i = 1, 3 do print(words[i], counts[words[i]]) end

local function primes(n)
  local found = {}
  for candidate = 2, n do
    local prime = true
    for _, p in ipairs(found) do
      if p * p > candidate then break end
      if candidate % p == 0 then prime = false; break end
    end
    if prime then found[#found + 1] = candidate end
  end
  return found
end
local found = primes(10000)
print(#found .. " primes, the last is " .. found[#found])
