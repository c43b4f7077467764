-- Generic cell rate algorithm: the key holds when, in microseconds, the next one would be expected at an even pace.
-- KEYS: one tenant. ARGV: microseconds between two at that pace; how many may come at once. Gives how many more may come
-- at once, and for how long this one is refused (0: admitted).
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local every, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local expected = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + every
local wait = expected - every * limit - now
if wait > 0 then
  return { 0, wait }
end
redis.call('SET', KEYS[1], string.format('%.0f', expected), 'PX', math.ceil((expected - now) / 1000))
return { math.floor(-wait / every), 0 }
