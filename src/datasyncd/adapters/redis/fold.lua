#!lua
-- Fold: the last state of each key, kept in a hash beside the stream, up to the stream's end.
--
-- KEYS: the stream, the hash of states (key -> "ID STATE", or "ID " of one that was deleted), the hash of what is known of the fold:
--   at        ID of the last entry that was folded
--   added     how many entries had been added to the stream by then
--   born      names this fold: another one is none of whose positions mean anything
--   whole     1 if no entry was taken out of the stream before the fold began
--   lost      entries that were taken out before they were folded
--   unread    entries without a key, or with neither a state nor a tombstone
local stream, states, meta = KEYS[1], KEYS[2], KEYS[3]

local function about()
  local info = {}
  if redis.call('EXISTS', stream) == 1 then
    local told = redis.call('XINFO', 'STREAM', stream)
    for place = 1, #told, 2 do info[told[place]] = told[place + 1] end
    if info['entries-added'] == nil then return nil end
  else
    info['entries-added'], info['last-generated-id'], info['length'] = 0, '0-0', 0
  end
  return info
end

-- Whether an ID comes before another one.
local function before(one, other)
  local ms, seq = string.match(one, '(%d+)-(%d+)')
  local other_ms, other_seq = string.match(other, '(%d+)-(%d+)')
  if #ms ~= #other_ms then return #ms < #other_ms end
  if ms ~= other_ms then return ms < other_ms end
  if #seq ~= #other_seq then return #seq < #other_seq end
  return seq < other_seq
end

local function take(id, fields)
  local said = {}
  for place = 1, #fields, 2 do said[fields[place]] = fields[place + 1] end
  if said.key == nil or said.key == '' or (said.data == nil and said.tombstone == nil) then
    redis.call('HINCRBY', meta, 'unread', 1)
  else
    redis.call('HSET', states, said.key, id .. ' ' .. (said.tombstone == nil and said.data or ''))
  end
end

-- What is known of the fold after at most so many entries more; nothing if the server is too old.
local function fold(most)
  local info = about()
  if info == nil then return nil end
  local before_it = redis.call('HMGET', meta, 'at', 'added', 'born')
  local at, added = before_it[1], tonumber(before_it[2]) or 0
  if not at or not before_it[3] then
    local now = redis.call('TIME')
    local whole = info['entries-added'] == info['length'] and 1 or 0
    at, added = '0-0', info['entries-added'] - info['length']
    redis.call('HSET', meta, 'born', now[1] .. '.' .. now[2], 'whole', whole, 'lost', 0, 'unread', 0)
  elseif before(info['last-generated-id'], at) or info['entries-added'] < added then
    -- Another stream of the same name: what was known of the records stays known.
    local now = redis.call('TIME')
    at, added = '0-0', info['entries-added'] - info['length']
    redis.call('HSET', meta, 'born', now[1] .. '.' .. now[2], 'whole', 0)
  end
  local left = most
  while left > 0 do
    local entries = redis.call('XRANGE', stream, '(' .. at, '+', 'COUNT', math.min(left, 500))
    if #entries == 0 then break end
    for _, entry in ipairs(entries) do take(entry[1], entry[2]) end
    at, added, left = entries[#entries][1], added + #entries, left - #entries
  end
  local done = left > 0
  if done then
    if info['entries-added'] > added then redis.call('HINCRBY', meta, 'lost', info['entries-added'] - added) end
    at, added = info['last-generated-id'], info['entries-added']
  end
  redis.call('HSET', meta, 'at', at, 'added', added)
  local known = redis.call('HMGET', meta, 'born', 'whole', 'lost', 'unread')
  return {done and 1 or 0, at, added, known[1], tonumber(known[2]) or 0, tonumber(known[3]) or 0, tonumber(known[4]) or 0}
end
