package accesslog

import (
	"bytes"
	"time"
)

// apart is how far the beginnings of the same passage may lie apart in two proxies' lines: their clocks, and the time to connect.
const apart = 5 * time.Second

// samePassage says whether two lines with the same address can be about the same thing: that address is used again for other
// connections later, and many requests go over one connection.
func samePassage(sidecar, gateway *Line) bool {
	if sidecar == nil || gateway == nil {
		return false
	}
	if d := gateway.Time.Sub(sidecar.Time); d > apart || d < -apart {
		return false
	}
	if sidecar.TCP() || gateway.TCP() {
		return true
	}
	return bytes.Equal(sidecar.Method, gateway.Method) && bytes.Equal(sidecar.Authority, gateway.Authority) && bytes.Equal(sidecar.Path, gateway.Path)
}

// nearest finds the line among others of the same pod that is about the same bytes at the same time; -1 if there is none. One of the
// two is a gateway's that sent a connection on inside its pod.
func nearest(l *Line, others []*Line) int {
	best, least := -1, time.Duration(0)
	for i, o := range others {
		if !insideOne(l, o) {
			continue
		}
		d := l.End().Sub(o.End()).Abs()
		if l.Source != SNIProxy && o.Source != SNIProxy {
			d = l.Time.Sub(o.Time).Abs()
		}
		if d <= 2*time.Second && (best < 0 || d < least) { // nginx tells whole seconds
			best, least = i, d
		}
	}
	return best
}

// insideOne says whether a gateway sent on inside its pod what the other line is about. nginx does not count the ClientHello that it
// read the server name from.
func insideOne(a, b *Line) bool {
	if !bytes.Equal(a.Pod, b.Pod) || a.BytesSent != b.BytesSent {
		return false
	}
	if a.Source != SNIProxy && b.Source != SNIProxy {
		return a.BytesReceived == b.BytesReceived && (a.Way() == ToInner) != (b.Way() == ToInner)
	}
	return (a.Way() == ToSNIProxy) != (b.Way() == ToSNIProxy)
}

// covers says whether the log of the gateway that a sidecar spoke to is there, from that time on at least: of a pod that is gone it
// could not be told what it saw.
func (j *Joiner) covers(sidecar *Line) bool {
	address := addressOnly(sidecar.UpstreamHost)
	if j.Covers != nil && j.Covers(address) {
		return true
	}
	first, seen := j.first[string(address)]
	return seen && !first.After(sidecar.At().Add(apart))
}

// remember notes when a gateway wrote first.
func (j *Joiner) remember(gateway *Line) {
	address := addressOnly(gateway.DownstreamLocal)
	if _, seen := j.first[string(address)]; seen || address == nil {
		return
	}
	if j.first == nil {
		j.first = map[string]time.Time{}
	}
	j.first[string(address)] = gateway.At()
}
