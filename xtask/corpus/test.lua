-- Uses most of Lua's library; all output is the same on every run.
local function section(name) print("== " .. name) end

section("arithmetic")
print(7 // 2, 7 % 3, -7 // 2, -7 % 3, 7 / 2, 2 ^ 10, 7 & 3, 7 | 8, 7 ~ 2, ~0, 1 << 62, 256 >> 4)
print(math.maxinteger, math.mininteger, math.maxinteger + 1 == math.mininteger)
print(1e15, 1e100, 0.1, -0.0, 1 / 0, -1 / 0, 3 == 3.0, math.type(3), math.type(3.0))
print(math.floor(3.7), math.ceil(3.2), math.fmod(7, 3), math.sqrt(2), math.sin(1), math.exp(1))
print(math.tointeger("8"), tonumber("0x1p4"), tonumber("ff", 16), tonumber("zz", 36), 10 // 0.0)
print(pcall(function() return 1 // 0 end))
print(math.ult(1, -1), math.abs(-5), math.max(1, 5, 3), math.min(4, 2, 8))

section("strings")
print(("hello"):upper(), ("Hello"):lower(), ("abc"):reverse(), ("ab"):rep(3, "-"), #"abc")
print(("hello world"):find("o w"), ("hello"):match("(h)(.)"), ("k=v, a=b"):gsub("(%w+)=(%w+)", "%2=%1"))
print(string.format("%q %5d %-5d| %05.1f %x %g %s %i %c %e", 'a"\n', 42, 42, 3.14159, 255, 1e20, {} ~= nil, 3, 65, 12345.678))
print(string.byte("ABC", 1, -1), string.char(72, 105), ("x"):byte(10))
print(string.pack("<i4", 100):byte(1, -1), string.unpack("<i4", string.pack("<i4", -2)))
for k, v in string.gmatch("a=1, b=2", "(%w+)=(%w+)") do io.write(k, v, ";") end
print(("%bxy"):len(), ("f(a(b)c)d"):match("%b()"), ("THE (quick) fox"):find("%((%a+)%)"))
print(("abc"):gsub("%w", { a = "1", b = false }), ("abc"):gsub("", "-"))
print(utf8.char(228, 8364, 128512), utf8.len("äöü"), #utf8.char(8364))
for _, c in utf8.codes("aé€") do io.write(c, " ") end
print()

section("tables")
local t = { 5, 2, 8, 1, 9, 3 }
table.sort(t, function(a, b) return a > b end)
print(table.concat(t, ","), #t, table.unpack(t, 2, 4))
table.insert(t, 1, 100)
table.insert(t, 7)
print(table.remove(t, 1), table.remove(t), select("#", table.unpack(t)), next({}))
print(table.concat(table.move({ 1, 2, 3 }, 1, 3, 3), ","), table.pack(1, nil, 3).n)
local big = {}
for i = 1, 2000 do big[i] = (i * 7919) % 2003 end
table.sort(big)
local sum = 0
for i, v in ipairs(big) do sum = sum + i * v end
print(sum)
for i = 1, 2000 do big["k" .. i] = i end
for i = 1, 2000, 2 do big["k" .. i] = nil end
local left = 0
for k in pairs(big) do if type(k) == "string" then left = left + 1 end end
print(left)

section("metatables")
local V = {}
V.__index = V
V.__add = function(a, b) return setmetatable({ x = a.x + b.x }, V) end
V.__eq = function(a, b) return a.x == b.x end
V.__lt = function(a, b) return a.x < b.x end
V.__le = function(a, b) return a.x <= b.x end
V.__tostring = function(a) return "V(" .. a.x .. ")" end
V.__len = function(a) return a.x end
V.__call = function(a, y) return a.x * y end
V.__concat = function(a, b) return tostring(a) .. "|" .. tostring(b) end
V.__unm = function(a) return setmetatable({ x = -a.x }, V) end
V.__close = function(a) print("closed", a.x) end
function V.new(x) return setmetatable({ x = x }, V) end
local a, b = V.new(3), V.new(4)
print(tostring(a + b), a == V.new(3), a < b, a >= b, #a, a(5), a .. b, tostring(-a))
do local c <close> = V.new(99) end
local proxy = setmetatable({}, { __index = function(_, k) return k .. "!" end, __newindex = function(s, k, v) rawset(s, k, v * 2) end })
proxy.n = 21
print(proxy.foo, proxy.n, rawget(proxy, "foo"), rawequal(a, a), rawlen({ 1, 2 }))

section("closures and coroutines")
local function counter()
  local n = 0
  return function() n = n + 1; return n end
end
local c1, c2 = counter(), counter()
print(c1(), c1(), c2())
local co = coroutine.create(function(x, y)
  local z = coroutine.yield(x + y)
  local w = coroutine.yield(z * 2)
  error("in coroutine " .. w)
end)
print(coroutine.resume(co, 1, 2))
print(coroutine.resume(co, 10))
print(coroutine.resume(co, "end"))
print(coroutine.status(co), coroutine.isyieldable())
local function range(n) return coroutine.wrap(function() for i = 1, n do coroutine.yield(i) end end) end
local total = 0
for i in range(100) do total = total + i end
print(total)

section("errors")
print(pcall(error, "plain"), pcall(error, nil), select(2, pcall(error, { 1, 2 }))[2])
print(xpcall(function() local x = nil; return x.y end, function(m) return "handled: " .. m:gsub("^.-:%d+: ", "") end))
local function deep(n) return n == 0 and error("bottom") or deep(n - 1) + 1 end
print(pcall(deep, 100))
print(select(2, pcall(function() local function f() return f() + 1 end return f() end)):match("stack overflow"))
print(pcall(string.rep, "x", -1), pcall(setmetatable, 1, {}))
for _, source in ipairs { "x = = 1", "return 1 +", "goto nowhere", "for i = 1 do end", "local x <const> = 1; x = 2" } do
  print((load(source)) == nil, (select(2, load(source)):gsub("%[string.-%]:", "")))
end

section("goto, integer for, varargs")
for i = 1, 3 do
  for j = 1, 3 do
    if j == 2 then goto continue end
    io.write(i, j, " ")
    ::continue::
  end
end
print()
for i = 10, 1, -3 do io.write(i, " ") end
for x = 0.0, 1.0, 0.25 do io.write(x, " ") end
print((function(...) return select("#", ...), ... end)(1, nil, 3))

section("load and environments")
local env = { print = print, x = 5 }
load("x = x + 1; print(x)", "chunk", "t", env)()
print(env.x, type(load(function() return nil end)))
local dumped = string.dump(function(n) return n * 2 end)
print(load(dumped, "d", "b")(21))

section("memory")
collectgarbage()
local weak = setmetatable({}, { __mode = "v" })
weak[1] = {}
collectgarbage()
print(weak[1], collectgarbage("count") > 0)
local finalised = 0
for _ = 1, 100 do setmetatable({}, { __gc = function() finalised = finalised + 1 end }) end
collectgarbage()
print(finalised)
collectgarbage("generational")
local s = {}
for i = 1, 20000 do s[i % 100] = { i, tostring(i) } end
collectgarbage("incremental")
print(s[50][2])

section("io and os")
print(os.time({ year = 2020, month = 1, day = 2, hour = 12 }) ~= nil, os.date("!%Y-%m-%d", 0), type(os.clock()))
local f = io.tmpfile()
f:write("line 1\n", 2, "\n", 3.5, "\n")
f:seek("set")
print(f:read("l", "n", "n"), f:read("a"))
f:close()
print(io.type(f), pcall(f.read, f))
print(io.open("/nonexistent/file"))
io.stderr:write("")
print(debug.getinfo(1, "l").currentline, debug.traceback("t", 1):match("^t\nstack") ~= nil)
print(arg[1], arg[2])
return 3
