// Uses the client of examples/node as the lines of JSON on stdin say, and tells on stdout what happened, one
// JSON object a line: {"given": ...}, or {"failed": code, ...} (see `main`). Registry and key are in the
// environment.

import readline from 'node:readline'
import { Callback, connect } from '../../examples/node/client.js'

let strac
let actor
const heard = []
const hear = (word) => { heard.push(word) }
const errors = []

const orders = {
  async connect (options) {
    strac = await connect({ onError: (error) => errors.push(error.message), ...options })
  },
  async get ({ name }) {
    actor = await strac.get(name)
  },
  call: ({ method, args = [] }) => actor.call(method, ...args),
  callWith: ({ options, method, args = [] }) => actor.callWith(options, method, ...args),
  atOnce: ({ calls }) => Promise.all(calls.map(([method, ...args]) => actor.call(method, ...args))),
  async items ({ method, args, most = Infinity }) {
    const taken = []
    for await (const item of await actor.call(method, ...args)) {
      taken.push(item)
      if (taken.length === most) break
    }
    return taken
  },
  echo: async ({ size }) => (await actor.call('echo', 'x'.repeat(size)))[0].length,
  async largeIntegers () {
    const given = [2n ** 63n - 1n, -(2n ** 63n), 2n ** 64n - 1n]
    return (await actor.call('echo', ...given)).map((one, index) => one === given[index])
  },
  async bytesAndTimes () {
    const [bytes, time] = await actor.call('echo', Uint8Array.of(0, 255), new Date(1500))
    return [[...bytes], time.getTime()]
  },
  async cycle () {
    const looped = await actor.call('loop')
    return looped.self === looped && looped.list[0] === looped
  },
  timesTen: ({ numbers }) => actor.call('apply', async (number) => number * 10, numbers),
  throwing: () => actor.call('apply', () => { throw new RangeError('as Node.js throws') }, [1]),
  throwingOneWay: async () => { await actor.call('tell', () => { throw new Error('unheard') }, 1) },
  join: () => actor.call('join', hear),
  isHome: async () => [await actor.call('has', hear), await actor.call('has', () => {})],
  heard: () => heard,
  errors: () => errors,
  async theirFunction () {
    const double = await actor.call('doubler')
    const result = [double instanceof Callback, await double.call(21), await actor.call('held')]
    double.release()
    result.push(await actor.call('held'))
    return result
  },
  ping: async () => typeof await strac.ping() === 'number' && typeof await actor.call('echo') === 'object',
  ended: () => actor.ended,
  leave: () => actor.close(),
  close: () => strac.close()
}

async function main () {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { order, ...given } = JSON.parse(line)
    let told
    try {
      told = { given: await orders[order](given) ?? null }
    } catch (error) {
      told = { failed: error.code ?? String(error), text: error.message, type: error.details?.type }
    }
    process.stdout.write(JSON.stringify(told) + '\n')
  }
}

await main()
