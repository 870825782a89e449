package accesslog

// ownKey knows the keys of AppendJSON that Istio's JSON and mixer's do not have.
func ownKey(key []byte) (field, bool) {
	switch string(key) {
	case "source":
		return fSource, true
	case "namespace":
		return fNamespace, true
	case "pod":
		return fPod, true
	case "format":
		return fFormat, true
	case "code":
		return fCode, true
	case "flags":
		return fFlags, true
	case "details":
		return fDetails, true
	case "termination":
		return fTermination, true
	case "failure":
		return fFailure, true
	case "policy":
		return fPolicy, true
	case "bytesReceived":
		return fReceived, true
	case "bytesSent":
		return fSent, true
	case "durationMs":
		return fMillis, true
	case "serviceMs":
		return fService, true
	}
	return ownPlaceKey(key)
}

func ownPlaceKey(key []byte) (field, bool) {
	switch string(key) {
	case "sni":
		return fSNI, true
	case "upstreamHost":
		return fUpstreamHost, true
	case "upstreamCluster":
		return fUpstreamCluster, true
	case "upstreamLocal":
		return fUpstreamLocal, true
	case "downstreamLocal":
		return fDownstreamLocal, true
	case "downstreamRemote":
		return fDownstreamRemote, true
	case "route":
		return fRoute, true
	case "forwardedFor":
		return fForwardedFor, true
	case "requestId":
		return fRequestID, true
	case "userAgent":
		return fUserAgent, true
	case "event":
		return fEvent, true
	case "principal":
		return fPrincipal, true
	}
	return fIgnored, false
}

// mixerKey knows the keys of mixer's accesslog and tcpaccesslog (Istio 1.0 to 1.7, install/kubernetes/helm/istio/charts/mixer).
func mixerKey(key []byte) (field, bool) {
	switch string(key) {
	case "requestedServerName":
		return fSNI, true
	case "responseCode":
		return fCode, true
	case "responseFlags":
		return fFlags, true
	case "receivedBytes", "totalReceivedBytes", "requestSize":
		return fReceived, true
	case "sentBytes", "totalSentBytes", "responseSize":
		return fSent, true
	case "connectionEvent":
		return fEvent, true
	case "connectionDuration", "latency":
		return fGoTime, true
	case "sourceName":
		return fPod, true
	case "sourceNamespace":
		return fNamespace, true
	case "sourceIp":
		return fDownstreamRemote, true
	case "sourcePrincipal":
		return fPrincipal, true
	case "destinationIp":
		return fUpstreamHost, true
	case "host":
		return fAuthority, true
	case "url":
		return fPath, true
	case "xForwardedFor":
		return fForwardedFor, true
	}
	return fIgnored, false
}
