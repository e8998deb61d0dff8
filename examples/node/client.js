// A client of stractory's rpc actors: who looks them up, and who is connected to their workers.
//
//   const strac = await connect({ registry: '127.0.0.1:9000', keyFile: 'cluster.key' })
//   const counter = await strac.get('counter')
//   console.log(await counter.call('add', 2))
//   await strac.close()

import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Actor } from './lib/actor.js'
import { Calls } from './lib/calls.js'
import { dial } from './lib/dial.js'
import { StractoryError } from './lib/errors.js'
import { credentialOf } from './lib/keys.js'

export { Callback } from './lib/references.js'
export { Items } from './lib/items.js'
export { StractoryError }

const STALE = ['StaleLocation', 'StaleTicket', 'UnreachableError', 'LinkClosed']
const PATIENCE_OF_ISOLATED = 600_000 // milliseconds: the process of an isolated actor may be busy for long

/**
 * A client, once the registry has let it in.
 *
 * @param {object} options
 * @param {string} options.registry by default $STRACTORY_REGISTRY, else port 9000 of this machine
 * @param {string} options.keyFile by default $STRACTORY_KEY_FILE, else ~/.config/stractory/cluster.key
 * @param {string} options.tlsCa the PEM file of a CA by which all certificates have to be signed
 * @param {(error: Error) => void} options.onError is told what functions threw that actors called one-way
 * @returns {Promise<Client>}
 */
export async function connect ({
  registry = process.env.STRACTORY_REGISTRY || '127.0.0.1:9000',
  keyFile = process.env.STRACTORY_KEY_FILE || join(homedir(), '.config/stractory/cluster.key'),
  tlsCa = process.env.STRACTORY_TLS_CA,
  onError = console.error
} = {}) {
  const client = new Client(registry, await credentialOf(keyFile), await authority(tlsCa), onError)
  await client.ping()
  return client
}

async function authority (file) {
  if (!file) return undefined
  try {
    return await readFile(file)
  } catch (error) {
    throw new StractoryError('ConfigError', `cannot read the CA in ${file} (${error.code})`)
  }
}

/** Made by connect(). */
class Client {
  #registry
  #key
  #ca
  #onError
  #links = new Map() // address: a promise of the link
  #asking // a promise of the calls to the registry

  constructor (registry, key, ca, onError) {
    this.#registry = registry
    this.#key = key
    this.#ca = ca
    this.#onError = onError
  }

  /**
   * A connection to an actor. A place that it has left meanwhile is looked up again, once.
   *
   * @param {string} name
   * @returns {Promise<Actor>}
   */
  async get (name) {
    try {
      return await this.#open(name)
    } catch (error) {
      if (!STALE.includes(error.code)) throw error
      return this.#open(name)
    }
  }

  /** @returns {Promise<number>} milliseconds until the registry's answer */
  async ping () {
    const link = await this.#link(this.#registry, 'registry', this.#key)
    return link.ping()
  }

  /** End all connections in order. */
  async close () {
    const links = await Promise.allSettled(this.#links.values())
    await Promise.all(links.map(({ value }) => value?.close()))
  }

  async #open (name) {
    const [actor, ticket, secret] = await this.#lookup(name)
    const [, kind, worker, epoch, , , , , , , isolated] = actor
    if (kind !== 'rpc') throw new StractoryError('ActorError', `actor '${name}' is a ${kind} actor, not rpc`)
    const credential = { claim: { t: ticket }, secret, toString: () => `the ticket to '${name}'` }
    const patience = isolated ? PATIENCE_OF_ISOLATED : undefined
    const link = await this.#link(worker, 'worker', credential, patience)
    const stream = await link.open('actor', name, epoch, ticket)
    return new Actor(name, new Calls(stream, `actor '${name}'`, this.#onError))
  }

  async #lookup (name) {
    const [found] = await (await this.#ask()).call('lookup', [[name]])
    if (!found) throw new StractoryError('ActorNotFound', `no actor is named '${name}'`)
    if (!found[1].length) throw new StractoryError('ActorLost', `actor '${name}' is nowhere just now`)
    return found
  }

  /** The registry's calls, over one stream as long as it lasts. */
  #ask () {
    this.#asking ??= (async () => {
      const link = await this.#link(this.#registry, 'registry', this.#key)
      const calls = new Calls(await link.open('registry'), link.peer)
      calls.ended.then(() => { this.#asking = undefined })
      return calls
    })()
    this.#asking.catch(() => { this.#asking = undefined })
    return this.#asking
  }

  /** The one link to an address, dialled if there is none, or none any more. */
  #link (address, purpose, credential, patience) {
    if (!this.#links.has(address)) {
      const link = dial(address, purpose, credential, { ca: this.#ca, patience })
      const forget = () => { if (this.#links.get(address) === link) this.#links.delete(address) }
      link.then(({ closed }) => closed).then(forget, forget)
      this.#links.set(address, link)
    }
    return this.#links.get(address)
  }
}
