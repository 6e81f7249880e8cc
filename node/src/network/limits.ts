/** Every bound of the network in one place, each with its reason. Implements docs/spec/transport.md, "Limits". */
import { MAX_PEER_RECORD_BYTES } from '@flamesh/protocol/identity/peer-record.js'
import { MAX_COHORT, MAX_MESSAGE_BYTES } from '@flamesh/protocol/limits.js'

/** One frame of a message: measured best between 64 and 256 KiB. */
export const CHUNK_BYTES = 128 * 1024
/** Small frames are written together up to this: each write is encrypted and sent on its own. */
export const WRITE_BYTES = 16 * 1024
/** `{ length }` in canonical encoding, with room to spare. */
export const MAX_HEADER_BYTES = 64
/** A verdict: a code and a sentence. */
export const MAX_VERDICT_BYTES = 4096
/** Messages being received or decided upon, all peers together: the memory they may take. */
export const INBOUND_BYTES = 4 * MAX_MESSAGE_BYTES
/** One peer's share of that: one message of the largest size, or many small ones. */
export const INBOUND_BYTES_PER_PEER = MAX_MESSAGE_BYTES
/** As many as a peer may have streams open. */
export const INBOUND_MESSAGES_PER_PEER = 32
/** Messages being sent at once; more wait their turn. */
export const OUTBOUND_BYTES = 4 * MAX_MESSAGE_BYTES
export const OUTBOUND_BYTES_PER_PEER = MAX_MESSAGE_BYTES
export const OUTBOUND_MESSAGES_PER_PEER = 16
/** Messages waiting for their turn; beyond it `send` fails at once and the engine tries again later. */
export const MAX_WAITING_SENDS = 4096
/** Streams of one protocol on one connection: twice what an honest sender opens, whose last ones may still be closing. */
export const MAX_STREAMS = 32
/** A stream of ours that nothing goes over is closed after this: opening one costs as much as ten small messages. */
export const KEEP_STREAM_MS = 30_000
/** Such streams to one peer, for what goes out side by side; a burst's others are closed at once. */
export const KEEP_STREAMS = 3
/** A peer's stream that nothing comes over: longer than an honest sender keeps one. */
export const IDLE_STREAM_MS = 90_000
/** Time to open a connection. */
export const DIAL_TIMEOUT_MS = 10_000
/** Time for a verdict on a small message; large ones get more, for lines as slow as SLOWEST_BYTES_PER_SECOND. */
export const ANSWER_TIMEOUT_MS = 30_000
export const SLOWEST_BYTES_PER_SECOND = 256 * 1024

/** Announcements being decided upon; more are ignored and come again by other ways. */
export const MAX_PENDING_ANNOUNCEMENT_BYTES = 64 * 1024 * 1024
/** Announcements kept while no other member is there to hear them; the oldest are dropped first. */
export const MAX_QUEUED_ANNOUNCEMENTS = 256
/** One gossip frame; the router sends none larger, and one that is ends the peer's gossip link. */
export const MAX_GOSSIP_FRAME_BYTES = 4 * 1024 * 1024
/** What may wait for one slow peer before its gossip link is given up. */
export const MAX_GOSSIP_BUFFER_BYTES = 32 * 1024 * 1024

/** A cohort and some: a listening node serves every member that cannot listen. */
export const MAX_CONNECTIONS = MAX_COHORT + 128
/** Two when both ends dial at once, more for a moment when a peer restarts and the old ones are not yet noticed dead. */
export const MAX_CONNECTIONS_PER_PEER = 8
/** Handshakes a second from one address: a hospital's sites share one, and all return at once after an outage. */
export const INBOUND_CONNECTIONS_PER_SECOND = 200
export const MAX_PENDING_INBOUND = 256
/** Members this node keeps connections to of its own accord; to all of them while there are no more than this. */
export const DIAL_TARGETS = 64
export const MAX_PARALLEL_DIALS = 16

/** As in a peer record (protocol/src/identity/peer-record.ts). */
export const MAX_ADDRESS_CHARS = 200
/** Addresses kept of one peer, those its operator's colleagues typed in not counted. */
export const MAX_ADDRESSES = 16
/** Records in one exchange. */
export const MAX_RECORDS = 256
export const MAX_EXCHANGE_BYTES = MAX_RECORDS * (MAX_PEER_RECORD_BYTES + 16)
/** Exchanges one peer may start in a minute. */
export const EXCHANGES_PER_MINUTE = 60
/** Peers in the address book. */
export const MAX_BOOK_PEERS = 4096
