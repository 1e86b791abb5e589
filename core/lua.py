"""The inbox's steps as Lua: each is atomic, and begins by asking whether it may.

The effects of a script are its last keys and arguments (`core.redis.Script`).
"""

# The fence is the announcement's id with the attempt's number: both are new for every attempt.
_ATTEMPT = """
local function attempt(work, id, messages)
  local number = redis.call('HINCRBY', work, 'attempt', 1)
  redis.call('HSET', work, 'fence', id .. '/' .. number, 'taken', messages)
  return number
end
"""

# A worker with a free place gets the lane that has waited longest. If that is the one announced
# here, its turn begins in the same step, with what its worker wants to know. Without a consumer
# group the lane just stays announced.
_HAND_OVER = """
local function hand_over(keys, lane, group, worker, first_key, first)
  local read = redis.pcall(
    'XREADGROUP', 'GROUP', group, worker, 'COUNT', 1, 'STREAMS', keys[3], '>')
  if not read or read.err then return {} end
  local id, taken = read[1][2][1][1], read[1][2][1][2][2]
  if taken ~= lane then return {id, taken} end
  local is_good, said = pcall(run_effects, first_key, first)
  if not is_good then return {id, taken} end
  return {id, taken, attempt(keys[5], id, 1), said}
end
"""

ACCEPT = (
    _ATTEMPT
    + _HAND_OVER
    + """
if redis.call('EXISTS', KEYS[1]) == 1 then return {'duplicate'} end
local waiting = redis.call('LLEN', KEYS[2])
if waiting >= tonumber(ARGV[3]) then return {'lane_full'} end
if tonumber(redis.call('GET', KEYS[4]) or '0') >= tonumber(ARGV[4]) then
  return {'backlog_full'}
end
redis.call('SET', KEYS[1], '', 'PX', ARGV[5])
redis.call('RPUSH', KEYS[2], ARGV[1])
redis.call('INCR', KEYS[4])
if waiting == 0 then redis.call('XADD', KEYS[3], '*', 'lane', ARGV[2]) end
local _, next_key, next_arg = run_effects(6, 8)
local handed = {}
if waiting == 0 and ARGV[7] ~= '' then
  handed = hand_over(KEYS, ARGV[2], ARGV[6], ARGV[7], next_key, next_arg)
end
return {'accepted', unpack(handed)}
"""
)

BEGIN = (
    _ATTEMPT
    + """
local mine = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])
if #mine == 0 then return false end
local messages = redis.call('LRANGE', KEYS[2], 0, -1)
if #messages == 0 then
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
  redis.call('XDEL', KEYS[1], ARGV[3])
  return false
end
attempt(KEYS[3], ARGV[3], #messages)
redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3], 'JUSTID')
local said = run_effects(4, 4)
return {messages, redis.call('HGETALL', KEYS[3]), said}
"""
)

# What a worker has taken in hand stays as it was taken; a stored reply counts as its answer.
AMEND = """
local work = redis.call('HMGET', KEYS[2], 'fence', 'taken', 'reply', 'count')
for i, raw in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  local readable, message = pcall(cjson.decode, raw)
  if readable and message['id'] == ARGV[1] then
    if work[3] and i <= tonumber(work[4]) then return 'answered' end
    if work[1] and i <= tonumber(work[2]) then return 'in_work' end
    redis.call('LSET', KEYS[1], i - 1, ARGV[2])
    return 'amended'
  end
end
return 'answered'
"""

COMMIT = """
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then return false end
return run_effects(2, 2)
"""

# What the customer is still to get comes before the end: where it cannot be written, the messages
# stay. What is written for ourselves comes after it, so that it cannot keep a turn from ending.
FINISH = """
if redis.call('HGET', KEYS[3], 'fence') ~= ARGV[3] then return 0 end
local _, next_key, next_arg = run_effects(5, 6)
redis.call('LTRIM', KEYS[2], ARGV[4], -1)
redis.call('DECRBY', KEYS[4], ARGV[4])
redis.call('DEL', KEYS[3])
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('XADD', KEYS[1], '*', 'lane', ARGV[5]) end
run_effects(next_key, next_arg)
return 1
"""

RELEASE = """
if redis.call('HGET', KEYS[3], 'fence') ~= ARGV[3] then return 0 end
if ARGV[5] == '1' then redis.call('HINCRBY', KEYS[3], 'attempt', -1) end
redis.call('HDEL', KEYS[3], 'fence', 'taken')
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
redis.call('XADD', KEYS[1], '*', 'lane', ARGV[4])
return 1
"""

RETURN = """
local mine = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])
if #mine == 0 then return 0 end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
redis.call('XDEL', KEYS[1], ARGV[3])
redis.call('XADD', KEYS[1], '*', 'lane', ARGV[4])
return 1
"""

RENEW = """
local held = {}
for i = 2, #KEYS do
  local id, fence = ARGV[2 * i - 1], ARGV[2 * i]
  if redis.call('HGET', KEYS[i], 'fence') == fence then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'JUSTID')
    held[i - 1] = 1
  else
    held[i - 1] = 0
  end
end
return held
"""
