//go:build unix

package diagnose

import (
	"fmt"
	"runtime/debug"
	"runtime/metrics"
	"syscall"
	"testing"
	"time"
)

// BenchmarkJudge shows how judging grows with the number of paths, after gathering; with ten times as many objects and a hundred
// gateway pods. MiB is the most memory that the program has of the system meanwhile,
// cpu-ms what it takes of the processors, however many others want them.
func BenchmarkJudge(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := crowded(b, n, 100)
			debug.FreeOSMemory()
			stop := watchMemory()
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				if r, err := Judge(s, Options{}); err != nil || len(r.Paths) != n {
					b.Fatal(err)
				}
			}
			b.ReportMetric((cpuTime(b)-before).Seconds()*1000/float64(b.N), "cpu-ms/op")
			b.ReportMetric(float64(stop())/(1<<20), "MiB")
		})
	}
}

// watchMemory looks every millisecond at how much memory the runtime has and gives the most when it is stopped.
func watchMemory() (stop func() uint64) {
	done, most := make(chan struct{}), make(chan uint64)
	go func() {
		all := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for top := uint64(0); ; {
			metrics.Read(all)
			top = max(top, all[0].Value.Uint64()-all[1].Value.Uint64())
			select {
			case <-tick.C:
			case <-done:
				most <- top
				return
			}
		}
	}()
	return func() uint64 {
		close(done)
		return <-most
	}
}

// cpuTime is what this process has had of the processors.
func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
