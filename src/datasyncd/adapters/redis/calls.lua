-- Calls: what is asked once the fold is at the stream's end. ARGV: how many entries are folded at most, the call, its words.
local known = fold(tonumber(ARGV[1]))
if known == nil or known[1] == 0 then return {known} end
local call, found = ARGV[2], {}

if call == 'read' then
  for place = 3, #ARGV do found[#found + 1] = redis.call('HGET', states, ARGV[place]) end

elseif call == 'list' then
  local scanned = redis.call('HSCAN', states, ARGV[3], 'COUNT', ARGV[4])
  found = {scanned[1], scanned[2]}

elseif call == 'since' then
  local entries = redis.call('XRANGE', stream, '(' .. ARGV[3], ARGV[4], 'COUNT', ARGV[5])
  local seen = {}
  for place, entry in ipairs(entries) do
    for at = 1, #entry[2], 2 do
      if entry[2][at] == 'key' then seen[entry[2][at + 1]] = true end
    end
  end
  local last, keys = #entries > 0 and entries[#entries][1] or '', {}
  for key in pairs(seen) do keys[#keys + 1] = {key, redis.call('HGET', states, key)} end
  found = {#entries, last, keys}

elseif call == 'write' then
  -- For each: the key, the ID of the entry that it follows or '', 'data' or 'tombstone', and the state.
  for place = 3, #ARGV, 4 do
    local key, expected, kind, data = ARGV[place], ARGV[place + 1], ARGV[place + 2], ARGV[place + 3]
    local state = redis.call('HGET', states, key)
    if (state and string.match(state, '^[^ ]*') or '') ~= expected then
      found[#found + 1] = ''
    else
      local id = redis.call('XADD', stream, '*', 'key', key, kind, data)
      redis.call('HSET', states, key, id .. ' ' .. (kind == 'data' and data or ''))
      redis.call('HSET', meta, 'at', id, 'added', redis.call('HINCRBY', meta, 'added', 1))
      found[#found + 1] = id
    end
  end
end
return {known, found}
