-- The load: 70 % list of 20 tasks, 15 % get, 8 % create, 3 % put, 2 % toggle, 2 % delete, in one
-- shuffled order that is the same for every server. Every answer is checked. Needs `wrk -t1`.
--
-- wrk -t1 … -s mix.lua <url> -- <file with a user and a token on each line> [<query>]
--
-- With a query (which may be empty), all requests are lists, with this query. Each connection pauses
-- $PAUSE milliseconds (0, if it is not set) before each request.
--
-- The rows are those of servers.py's SEED: 50 readers with 20 tasks each, then the tasks that writers
-- edit, then those that they delete. Writers alone create tasks, so a list has 20 tasks from the first
-- request to the last. Every user, reader or writer, sends as many requests as any other.

local READERS, TASKS_EACH, WRITERS = 50, 20, 9
local FIRST_EDITED, EDITED = 1001, 5000
local FIRST_DELETED = 6001
local BODY = '{"title": "Call the dentist", "description": "Before Friday, and ask for the bill"}'
local SAMPLE = 16 -- of so many lists, the tasks of one are counted

local SHARES = { list = 70, get = 15, create = 8, put = 3, toggle = 2, delete = 2 }
local ANSWERS = {
  ["Tasks retrieved"] = { "list", 200 },
  ["Task retrieved"] = { "get", 200 },
  ["Task created"] = { "create", 201 },
  ["Task updated"] = { "put", 200 },
  ["Task marked as completed"] = { "toggle", 200 },
  ["Task marked as incomplete"] = { "toggle", 200 },
  ["Task deleted"] = { "delete", 200 },
}

local schedule, headers = {}, {}
local turn = 0

-- Counted in the thread, read by `done`, which runs outside it.
sent, answered, wrong, first_wrong = {}, {}, 0, ""

local threads = {}
function setup(thread) table.insert(threads, thread) end

local query = ""

function init(args)
  if args[2] then
    query = args[2]
    SHARES = { list = 100, get = 0, create = 0, put = 0, toggle = 0, delete = 0 }
  end
  for line in io.lines(args[1]) do
    local user, token = line:match("^(%S+) (%S+)$")
    headers[user] = { Authorization = "Bearer " .. token, ["Content-Type"] = "application/json" }
  end
  for kind, share in pairs(SHARES) do
    sent[kind], answered[kind] = 0, 0
    for _ = 1, share do table.insert(schedule, kind) end
  end
  table.sort(schedule)
  math.randomseed(1)
  for last = #schedule, 2, -1 do
    local other = math.random(last)
    schedule[last], schedule[other] = schedule[other], schedule[last]
  end
end

local function send(method, user, path, body)
  return wrk.format(method, "/api/" .. user .. "/tasks" .. path, headers[user], body)
end

local function reader(number) return "reader_" .. number % READERS end

-- The tasks of writers are theirs in turn.
local function writer(number) return "writer_" .. number % WRITERS end

local function edit(method, number, path, body)
  local task = number % EDITED
  return send(method, writer(task), "/" .. FIRST_EDITED + task .. path, body)
end

local requests = {
  list = function(number) return send("GET", reader(number), query) end,
  get = function(number)
    local task = math.floor(number / READERS) % TASKS_EACH
    return send("GET", reader(number), "/" .. 1 + number % READERS * TASKS_EACH + task)
  end,
  create = function(number) return send("POST", writer(number), "", BODY) end,
  put = function(number) return edit("PUT", 2 * number, "", BODY) end,
  toggle = function(number) return edit("PATCH", 2 * number + 1, "/complete") end,
  delete = function(number) return send("DELETE", writer(number), "/" .. FIRST_DELETED + number) end,
}

local pause = tonumber(os.getenv("PAUSE") or 0)
if pause > 0 then
  function delay() return pause end
end

function request()
  turn = turn % #schedule + 1
  local kind = schedule[turn]
  local number = sent[kind]
  sent[kind] = number + 1
  return requests[kind](number)
end

local function holds_what_it_should(kind, body)
  if kind == "delete" then return body:find('"data":null', 1, true) end
  if kind ~= "list" then return body:find('"title":"', 1, true) end
  if answered.list % SAMPLE ~= 0 then return #body > 4000 end
  local user = body:match('"user_id":"(reader_%d+)"')
  return user and select(2, body:gsub('"user_id":"' .. user .. '"', "")) == TASKS_EACH
end

function response(status, _, body)
  local answer = ANSWERS[body:sub(-60):match('"message":"([^"]*)"')]
  if answer and answer[2] == status and holds_what_it_should(answer[1], body) then
    answered[answer[1]] = answered[answer[1]] + 1
  else
    if wrong == 0 then first_wrong = status .. " " .. body:sub(1, 200) end
    wrong = wrong + 1
  end
end

-- Prints one line of JSON, which load.py reads.
function done(summary, latency)
  local thread = threads[1]
  local sent, answered = thread:get("sent"), thread:get("answered")
  if thread:get("wrong") > 0 then print("First wrong answer: " .. thread:get("first_wrong")) end
  local kinds = {}
  for kind in pairs(SHARES) do
    table.insert(kinds, ('"%s": [%d, %d]'):format(kind, sent[kind], answered[kind]))
  end
  local errors = summary.errors
  print(('{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "errors": %d, "kinds": {%s}}'):format(
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e6, latency:percentile(99) / 1e6,
    errors.connect + errors.read + errors.write + errors.timeout + thread:get("wrong"),
    table.concat(kinds, ", ")))
end
