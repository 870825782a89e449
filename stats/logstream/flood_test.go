package logstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kubectl-egress/kubectl-egress/stats/accesslog"
)

// flood is an API server with one pod that writes as fast as it is read: line i is the same whenever it is asked for. Streams break
// after some megabytes, in the middle of a line.
type flood struct {
	lines   int // how many the pod writes
	breaks  int // bytes of a stream
	streams atomic.Int64
}

const (
	floodLine = `[2026-11-21T01:45:28.223Z] "- - -" 0 - - - "-" 749 1559 4 - "-" "-" "-" "-" "10.96.0.83:443" outbound|443||edition.cnn.com 10.244.0.4:34014 10.244.0.4:8443 10.244.0.10:49240 edition.cnn.com -`
	perSecond = 40_000 // lines of a second in the pod's time (10 MB, less than a stream carries), each two of which the runtime took at once
)

func floodTime(i int) time.Time {
	return time.Date(2026, 11, 21, 7, 0, 0, 0, time.UTC).Add(time.Duration(i/2) * 2 * time.Second / perSecond)
}

func (f *flood) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/log") {
		fmt.Fprint(w, `{"metadata":{"name":"gw-1","namespace":"gw","uid":"1"},"status":{"phase":"Running"}}`)
		return
	}
	f.streams.Add(1)
	first := 0
	if since, err := time.Parse(time.RFC3339, r.URL.Query().Get("sinceTime")); err == nil {
		first = max(0, int(since.Sub(floodTime(0))/time.Second)*perSecond)
	}
	var b []byte
	written := 0
	for i := first; i < f.lines; i++ {
		b = floodTime(i).AppendFormat(b, time.RFC3339Nano)
		b = append(append(append(strconv.AppendInt(append(b, ' '), int64(i), 10), ' '), floodLine...), '\n')
		if len(b) < 64<<10 && i < f.lines-1 {
			continue
		}
		if written += len(b); written > f.breaks {
			_, _ = w.Write(b[:len(b)-len(floodLine)/2])
			panic(http.ErrAbortHandler)
		}
		if _, err := w.Write(b); err != nil {
			return
		}
		b = b[:0]
	}
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}

// heap watches how much memory is in use until it is asked for the most that it saw, in bytes over what there was before.
func heap(ctx context.Context) (most func() uint64) {
	use := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	runtime.GC()
	base, top := use(), uint64(0)
	ctx, stop := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			top = max(top, use())
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return func() uint64 {
		stop()
		done.Wait()
		return top - min(base, top)
	}
}

// TestFlood: a pod writes at well over 50 MB/s, and its stream breaks again and again. Every line comes, once, in order, and memory
// does not grow with what has come. It is not parallel: it measures.
func TestFlood(t *testing.T) {
	f := &flood{lines: 900_000, breaks: 24 << 20}
	s := httptest.NewServer(f)
	t.Cleanup(s.CloseClientConnections)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var total, next int
	most, begun := heap(ctx), time.Now()
	source := Source{Kind: accesslog.Gateway, Namespace: "gw", Pod: "gw-1", Container: "istio-proxy", UID: "1"}
	err := Follow(ctx, clientOf(t, s.URL), func(context.Context) ([]Source, error) { return []Source{source}, nil }, Options{}, func(_ Source, chunk []byte) error {
		total += len(chunk)
		for line := range bytes.Lines(chunk) {
			_, width := stampOf(line)
			number, text, _ := bytes.Cut(line[width:], []byte(" "))
			if n, err := strconv.Atoi(string(number)); err != nil || n != next || len(text) != len(floodLine)+1 {
				return fmt.Errorf("after line %d comes %q", next-1, line)
			}
			next++
		}
		if next == f.lines {
			cancel()
		}
		return nil
	})
	took := time.Since(begun)
	peak := most()
	if !errors.Is(err, context.Canceled) || next != f.lines {
		t.Fatalf("%d of %d lines: %v", next, f.lines, err)
	}
	rate := float64(total) / took.Seconds() / 1e6
	t.Logf("%d MB in %s: %.0f MB/s, %d streams, %d KiB of memory at most, with the server's", total/1e6, took.Round(time.Millisecond), rate, f.streams.Load(), peak>>10)
	if f.streams.Load() < 5 {
		t.Errorf("%d streams: it was not cut", f.streams.Load())
	}
	if peak > 16<<20 {
		t.Errorf("%d MiB of memory", peak>>20)
	}
}

// TestHundred: a hundred pods followed at once, each of them busy. The 64 MiB are for the whole program; this is what following takes
// of them, with the server's side of the same connections. It is not parallel: it measures.
func TestHundred(t *testing.T) {
	const pods, each = 100, 2000
	f := &flood{lines: each, breaks: 1 << 40}
	s := httptest.NewServer(f)
	t.Cleanup(s.CloseClientConnections)
	var sources []Source
	for i := range pods {
		sources = append(sources, Source{Kind: accesslog.Sidecar, Namespace: "gw", Pod: fmt.Sprintf("pod-%d", i), Container: "istio-proxy", UID: "1"})
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	most := heap(ctx)
	var lines atomic.Int64
	err := Follow(ctx, clientOf(t, s.URL), func(context.Context) ([]Source, error) { return sources, nil }, Options{}, func(_ Source, chunk []byte) error {
		if lines.Add(int64(bytes.Count(chunk, []byte("\n")))) == pods*each {
			cancel()
		}
		return nil
	})
	peak := most()
	t.Logf("%d lines of %d pods, %d KiB of memory at most, with the server's", lines.Load(), pods, peak>>10)
	if !errors.Is(err, context.Canceled) || lines.Load() != pods*each {
		t.Errorf("%d lines: %v", lines.Load(), err)
	}
	if peak > 40<<20 {
		t.Errorf("%d MiB of memory", peak>>20)
	}
}
