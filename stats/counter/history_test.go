package counter

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// moment is a report with one row, seconds after the first.
func moment(seconds int, opened uint64) Report {
	r := someReport()
	r.Rows = r.Rows[:1]
	r.Taken = r.Taken.Add(time.Duration(seconds) * time.Second)
	r.Rows[0].Counts.Opened.Value = opened
	return r
}

func TestHistory(t *testing.T) {
	t.Parallel()
	var h History
	row := moment(0, 0).Rows[0]
	if _, ok := h.Rate(row); ok {
		t.Error("a rate of nothing")
	}
	for i, m := range []struct {
		at     int
		opened uint64
		rate   float64
	}{
		{0, 100, -1},
		{2, 106, 3},
		{4, 106, 0},
		{6, 4, 2},     // begun anew: the pod restarted
		{66, 64, 1},   // a minute later
		{67, 65, 1},   // what was before is out of sight
		{67, 66, -1},  // the clock stood still
		{70, 72, 2},   // and went on
		{200, 72, 0},  // long after
		{201, 74, 2},  //
		{202, 78, 4},  //
		{205, 84, 2},  //
		{210, 94, 2},  //
		{215, 104, 2}, //
	} {
		h.Add(moment(m.at, m.opened))
		got, ok := h.Rate(row)
		if ok != (m.rate >= 0) || ok && got != m.rate {
			t.Errorf("%d: rate %v, %t at %d s, want %v", i, got, ok, m.at, m.rate)
		}
	}
	if diff := cmp.Diff([Bars]uint64{0, 0, 0, 0, 0, 0, 12, 20}, h.LastMinute(row)); diff != "" {
		t.Errorf("last minute (-want +got)\n%s", diff)
	}
	h.Add(Report{})
	if len(h.rows) != 0 {
		t.Error("a row that went is remembered")
	}
}

// TestHistoryForgets: watching for days takes no more memory than a minute does.
func TestHistoryForgets(t *testing.T) {
	t.Parallel()
	var h History
	for i := range 10_000 {
		h.Add(moment(i, uint64(i)))
	}
	if n := len(h.rows[moment(0, 0).Rows[0].Key()]); n > 62 {
		t.Errorf("%d points are kept of a minute's 61", n)
	}
}

func TestHistoryKnowsNoUnknown(t *testing.T) {
	t.Parallel()
	var h History
	for i := range 3 {
		r := moment(i, 5)
		r.Rows[0].Counts.Opened = Count{Why: Unknown}
		h.Add(r)
	}
	if _, ok := h.Rate(moment(0, 0).Rows[0]); ok {
		t.Error("a rate of what is not known")
	}
}

func TestSparkline(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		bars        [Bars]uint64
		plain, fine string
	}{
		{[Bars]uint64{}, "________", "▁▁▁▁▁▁▁▁"},
		{[Bars]uint64{0, 1, 2, 3, 4, 5, 6, 7}, "_-:==+*#", "▁▃▄▅▅▆▇█"},
		{[Bars]uint64{7: 1}, "_______#", "▁▁▁▁▁▁▁█"},
		{[Bars]uint64{1, 7: 1 << 62}, ".______#", "▂▁▁▁▁▁▁█"},
	} {
		if got := Sparkline(test.bars, true); got != test.plain {
			t.Errorf("%v: %q, want %q", test.bars, got, test.plain)
		}
		if got := Sparkline(test.bars, false); got != test.fine {
			t.Errorf("%v: %q, want %q", test.bars, got, test.fine)
		}
	}
}
