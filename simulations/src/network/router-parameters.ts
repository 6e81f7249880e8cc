/**
 * The parameters of the gossip router: those of a production node (docs/spec/transport.md, "Announcements" and "Scoring"; a test
 * holds them equal). Signing is StrictSign and message ids are sender and sequence number, as there.
 */

export const ANNOUNCE_TOPIC = 'flamesh/1/announce'
const REJECT_WEIGHT = -4

export const ROUTER_PARAMETERS = {
  D: 8,
  Dlo: 6,
  Dhi: 4096,
  Dscore: 4,
  Dout: 2,
  floodPublish: true,
  fallbackToFloodsub: false,
  globalSignaturePolicy: 'StrictSign',
  allowPublishToZeroTopicPeers: true,
  allowedTopics: [ANNOUNCE_TOPIC],
  maxInboundDataLength: 4 * 1024 * 1024,
  maxOutboundBufferSize: 32 * 1024 * 1024,
  scoreThresholds: { gossipThreshold: -10, publishThreshold: -50, graylistThreshold: -80 },
  scoreParams: {
    IPColocationFactorWeight: 0,
    behaviourPenaltyWeight: -1,
    behaviourPenaltyThreshold: 6,
    behaviourPenaltyDecay: 0.99,
    appSpecificScore: () => 0,
    appSpecificWeight: 1,
    topics: {
      [ANNOUNCE_TOPIC]: {
        topicWeight: 1,
        timeInMeshWeight: 0.02,
        timeInMeshQuantum: 60_000,
        timeInMeshCap: 60,
        firstMessageDeliveriesWeight: 0.05,
        firstMessageDeliveriesDecay: 0.99,
        firstMessageDeliveriesCap: 40,
        meshMessageDeliveriesWeight: 0,
        meshMessageDeliveriesDecay: 0.5,
        meshMessageDeliveriesCap: 1,
        meshMessageDeliveriesThreshold: 1,
        meshMessageDeliveriesWindow: 10,
        meshMessageDeliveriesActivation: 5000,
        meshFailurePenaltyWeight: 0,
        meshFailurePenaltyDecay: 0.5,
        invalidMessageDeliveriesWeight: REJECT_WEIGHT,
        invalidMessageDeliveriesDecay: 0.9923,
      },
    },
  },
} as const
