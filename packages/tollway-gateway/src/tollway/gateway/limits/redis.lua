-- Token buckets, as limits/bucket.py has them: what is missing in ticks, and since when in microseconds.
--
-- Calls one after another: 1 to take (all claims or none) or 0 to adjust, the number of claims, and for each claim,
-- whose key is the next of KEYS, the rate's speed, interval and capacity, and the tokens. All numbers are whole and
-- below 2^53. Returns for every claim whether it was allowed, and what is missing once its call is decided.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local MOST = 9007199254740991
local answer, key, arg = {}, 0, 0

local function number()
  arg = arg + 1
  return tonumber(ARGV[arg])
end

local function missing_at(claim)
  local state = redis.call('GET', claim.key)
  if not state then
    return 0
  end
  local missing, since = string.match(state, '^(%d+) (%d+)$')
  missing, since = tonumber(missing), tonumber(since)
  if now <= since then
    return missing
  end
  if now - since > math.floor(missing / claim.speed) then
    return 0
  end
  return missing - (now - since) * claim.speed
end

local function write(claim, missing)
  claim.missing = missing
  if missing == 0 then
    redis.call('DEL', claim.key)
  else
    local full_in_ms = math.ceil(missing / claim.speed / 1000) + 1
    redis.call('SET', claim.key, string.format('%.0f %.0f', missing, now), 'PX', string.format('%.0f', full_in_ms))
  end
end

while arg < #ARGV do
  local takes, count, allowed, claims = number() == 1, number(), true, {}
  for i = 1, count do
    key = key + 1
    local claim = {key = KEYS[key], speed = number(), interval = number(), capacity = number(), tokens = number()}
    claim.missing = missing_at(claim)
    claim.allowed = claim.missing + claim.tokens * claim.interval <= claim.capacity
    allowed = allowed and claim.allowed
    claims[i] = claim
  end
  for _, claim in ipairs(claims) do
    if not takes then
      local most = math.floor(MOST / claim.interval)
      local tokens = math.min(math.max(claim.tokens, -most), most)
      write(claim, math.min(math.max(0, claim.missing + tokens * claim.interval), MOST))
    elseif allowed then
      write(claim, claim.missing + claim.tokens * claim.interval)
    end
    answer[#answer + 1] = claim.allowed and 1 or 0
    answer[#answer + 1] = claim.missing
  end
end

return answer
