// Nobody leaves the barrier before everybody has come.

void check_barrier(int members, int rounds) {
  Barrier barrier;
  barrier.reset();
  std::vector<int> arrived(static_cast<std::size_t>(members) * 16, 0);  // a cache line for each
  int early = 0;
  auto work = [&](int id) {
    for (int round = 1; round <= rounds; ++round) {
      __atomic_store_n(&arrived[static_cast<std::size_t>(id) * 16], round, __ATOMIC_RELAXED);
      barrier.wait(members);
      for (int other = 0; other < members; ++other)
        if (__atomic_load_n(&arrived[static_cast<std::size_t>(other) * 16], __ATOMIC_RELAXED) != round)
          __atomic_add_fetch(&early, 1, __ATOMIC_RELAXED);
      barrier.wait(members);
    }
  };
  std::vector<std::thread> team;
  for (int id = 1; id < members; ++id) team.emplace_back(work, id);
  work(0);
  for (std::thread& member : team) member.join();
  CHECK(early == 0, "%d threads, %d rounds: %d times somebody left early", members, rounds, early);
}

void test_barrier() {
  check_barrier(1, 10);
  check_barrier(2, 2000);
  check_barrier(3, 100);
  check_barrier(7, 20);  // more threads than cores: those that wait must let the others run
}
