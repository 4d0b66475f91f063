-- Budgets: what is spent in a period, and what calls in flight have reserved.
--
-- Operations one after another. 'M' raises what is spent to an amount, if it is less, and sets when the key is to expire.
-- 'R' reserves of all budgets that follow or of none: the amount, the number of budgets, and
-- for each, whose key is the next of KEYS, what may be spent and when its key is to expire. 'C' charges: what was reserved,
-- the slice in which that was, the cost, the number of budgets, and for each when its key is to expire. Amounts are whole
-- numbers below 2^63, added by Redis itself; comparing them as doubles errs by less than 10^-15.
--
-- A key is a hash: `spent`, and what was reserved by slices of time. A slice that is old has lapsed: whoever reserved it
-- has ended without a word. Returns for every operation the slice of now, which budget denies (0: none), and for each
-- budget what is spent.

local now = tonumber(redis.call('TIME')[1])
local SLICE_S, SLICES = 300, 6
local slice = math.floor(now / SLICE_S)
local answer, key, arg = {}, 0, 0

local function text()
  arg = arg + 1
  return ARGV[arg]
end

local function next_key()
  key = key + 1
  return KEYS[key]
end

local function state_of(name)
  local spent, reserved = '0', 0
  local fields = redis.call('HGETALL', name)
  for i = 1, #fields, 2 do
    if fields[i] == 'spent' then
      spent = fields[i + 1]
    elseif tonumber(fields[i]) > slice - SLICES then
      reserved = reserved + tonumber(fields[i + 1])
    else
      redis.call('HDEL', name, fields[i])
    end
  end
  return spent, reserved
end

while arg < #ARGV do
  local kind = text()
  answer[#answer + 1] = slice
  if kind == 'R' then
    local amount, count, denied, names = text(), tonumber(text()), 0, {}
    local at = #answer + 1
    answer[at] = 0
    for i = 1, count do
      local name, most, expires = next_key(), text(), text()
      local spent, reserved = state_of(name)
      if denied == 0 and tonumber(spent) + reserved >= tonumber(most) then
        denied = i
      end
      names[i] = {name, expires}
      answer[#answer + 1] = spent
    end
    answer[at] = denied
    if denied == 0 then
      for _, one in ipairs(names) do
        redis.call('HINCRBY', one[1], slice, amount)
        redis.call('EXPIREAT', one[1], one[2])
      end
    end
  elseif kind == 'M' then
    local spent, expires, name = text(), text(), next_key()
    if tonumber(redis.call('HGET', name, 'spent') or '0') < tonumber(spent) then
      redis.call('HSET', name, 'spent', spent)
      redis.call('EXPIREAT', name, expires)
    end
    answer[#answer + 1] = 0
    answer[#answer + 1] = redis.call('HGET', name, 'spent') or '0'
  else
    local held, held_slice, cost, count = text(), text(), text(), tonumber(text())
    answer[#answer + 1] = 0
    for _ = 1, count do
      local name, expires = next_key(), text()
      if held ~= '0' and redis.call('HEXISTS', name, held_slice) == 1 then
        redis.call('HINCRBY', name, held_slice, '-' .. held)
      end
      redis.call('HINCRBY', name, 'spent', cost)
      redis.call('EXPIREAT', name, expires)
      answer[#answer + 1] = redis.call('HGET', name, 'spent')
    end
  end
end

return answer
