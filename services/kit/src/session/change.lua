-- One conditional write of a live session. KEYS: the session's hash. ARGV: whether a missing record is written, whether
-- what is not set is dropped, when to expire (milliseconds, -1 for no change), how many conditions (field, kind, value),
-- values to set (field, value) and numbers to raise (field, value); then these.
-- Answers 1 if written, 0 if a condition does not hold, -1 if there is no record.
local key = KEYS[1]
local create, replace, expire_at = ARGV[1] == '1', ARGV[2] == '1', tonumber(ARGV[3])
local conditions, sets, raises = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local next_argument = 7
local function take()
  next_argument = next_argument + 1
  return ARGV[next_argument - 1]
end
local function number(field)
  return tonumber(redis.call('HGET', key, field) or '0') or 0
end

local exists = redis.call('EXISTS', key) == 1
if not exists and not create then
  return -1
end
for _ = 1, conditions do
  local field, kind, value = take(), take(), take()
  local holds
  if kind == 'is' then
    holds = redis.call('HGET', key, field) == value
  elseif kind == 'below' then
    holds = number(field) < tonumber(value)
  else
    holds = number(field) <= tonumber(value)
  end
  if exists and not holds then
    return 0
  end
end
if replace then
  redis.call('DEL', key)
end
for _ = 1, sets do
  redis.call('HSET', key, take(), take())
end
for _ = 1, raises do
  local field, value = take(), take()
  if number(field) < tonumber(value) then
    redis.call('HSET', key, field, value)
  end
end
if expire_at >= 0 then
  redis.call('PEXPIREAT', key, expire_at)
end
return 1
