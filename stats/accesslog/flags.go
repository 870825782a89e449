package accesslog

import "strings"

// responseFlag is one of Envoy's response flags.
type responseFlag struct {
	short, long string
	http        string // what it means for a request
	tcp         string // and for a connection, where that differs
}

// responseFlags are all that Envoy 1.40 knows (envoy/source/common/stream_info/utility.h).
var responseFlags = [...]responseFlag{
	{"UH", "NoHealthyUpstream", "no healthy host in the upstream cluster", ""},
	{"UF", "UpstreamConnectionFailure", "could not connect to the upstream host", ""},
	{"UO", "UpstreamOverflow", "the upstream cluster's circuit breaker is open", ""},
	{"NR", "NoRouteFound", "no route for this host and path", "no filter chain for this connection"},
	{"URX", "UpstreamRetryLimitExceeded", "the limit of retries is reached", "the limit of attempts to connect is reached"},
	{"NC", "NoClusterFound", "the upstream cluster does not exist", ""},
	{"DT", "DurationTimeout", "the request or connection was longer than allowed", "the connection was longer than allowed"},
	{"DC", "DownstreamConnectionTermination", "the client ended the connection", ""},
	{"LH", "FailedLocalHealthCheck", "the local service failed its health check", ""},
	{"UT", "UpstreamRequestTimeout", "the upstream host did not answer in time", ""},
	{"LR", "LocalReset", "this proxy reset the connection", ""},
	{"UR", "UpstreamRemoteReset", "the upstream host reset the connection", ""},
	{"UC", "UpstreamConnectionTermination", "the upstream host ended the connection", ""},
	{"DI", "DelayInjected", "delayed by fault injection", ""},
	{"FI", "FaultInjected", "aborted by fault injection", ""},
	{"RL", "RateLimited", "held back by the rate limit", ""},
	{"UAEX", "UnauthorizedExternalService", "refused by the external authorization service", ""},
	{"RLSE", "RateLimitServiceError", "the rate limit service failed", ""},
	{"IH", "InvalidEnvoyRequestHeaders", "a header of the request is not valid", ""},
	{"SI", "StreamIdleTimeout", "idle for too long", ""},
	{"DPE", "DownstreamProtocolError", "the client broke the protocol", ""},
	{"UPE", "UpstreamProtocolError", "the upstream host broke the protocol", ""},
	{"UMSDR", "UpstreamMaxStreamDurationReached", "the upstream host took longer than allowed", ""},
	{"OM", "OverloadManagerTerminated", "refused: this proxy is overloaded", ""},
	{"DF", "DnsResolutionFailed", "the upstream host's name could not be resolved", ""},
	{"RFCF", "ResponseFromCacheFilter", "answered from the cache", ""},
	{"NFCF", "NoFilterConfigFound", "the configuration of a filter did not come in time", ""},
	{"DO", "DropOverload", "dropped as the control plane told to", ""},
	{"DR", "DownstreamRemoteReset", "the client reset the request", ""},
	{"UDO", "UnconditionalDropOverload", "dropped as the control plane told to, all of it", ""},
}

// FlagMeaning says in words what a response flag means, for a request or for a connection (tcp). Empty if it is none of Envoy's own.
func FlagMeaning(flag string, tcp bool) string {
	for _, f := range &responseFlags {
		if f.short != flag {
			continue
		}
		if tcp && f.tcp != "" {
			return f.tcp
		}
		return f.http
	}
	return ""
}

// FlagNames are the flags that Envoy knows, short and long name.
func FlagNames() map[string]string {
	names := make(map[string]string, len(responseFlags))
	for _, f := range &responseFlags {
		names[f.short] = f.long
	}
	return names
}

// Meanings says what the line's flags mean, in their order; a flag that Envoy does not know stands for itself.
func (l *Line) Meanings() []string {
	flags := l.FlagList()
	for i, f := range flags {
		if words := FlagMeaning(f, l.TCP()); words != "" {
			flags[i] = words
		}
	}
	return flags
}

// shortFlags turns RESPONSE_FLAGS_LONG into the short names; what is not known stays.
func shortFlags(long []byte) []byte {
	if long == nil {
		return nil
	}
	words := strings.Split(string(long), ",")
	for i, w := range words {
		for _, f := range &responseFlags {
			if f.long == w {
				words[i] = f.short
			}
		}
	}
	return []byte(strings.Join(words, ","))
}

// Reason gives details in words for people: Envoy puts underscores where blanks were.
func Reason(b []byte) string {
	return strings.TrimSpace(strings.ReplaceAll(string(b), "_", " "))
}
